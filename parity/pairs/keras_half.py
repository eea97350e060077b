"""Hold a Keras model in float64 for the time of a check, and change single layers of it."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from parity.models.keras_side import turned
from parity.pairs.alternatives import settings
from parity.pairs.keras_activations import name_of
from parity.pairs.keras_exact import Constants, exact_constants

L = keras.layers
SETTINGS = {  # common name -> those of Keras
    "eps": ("epsilon", "eps"),
    "padding": ("padding",),
    "stride": ("strides",),
    "dilation": ("dilation_rate",),
}


def hold(side, dtype, stack):
    """Let a model have weights of a dtype, and constants that are not rounded, until the stack is closed."""
    side.constants = Constants(paths_of(side))
    stack.enter_context(exact_constants(side.constants))
    stack.enter_context(turned(side.layer, dtype, {}, lambda tensor: tensor, {}))
    side.values.clear()
    side.graphs.clear()


def layers_of(side):
    """Return all layers by their traced paths."""
    return {(layer.path or "").partition("/")[2] or layer.name: layer for layer in side.layer._flatten_layers()}


def paths_of(side):
    """Return the paths of all layers by their ids; that of the model is empty."""
    return {id(layer): path for path, layer in layers_of(side).items()} | {id(side.layer): ""}


@contextlib.contextmanager
def changed(layer, name, value):
    """Give a layer another attribute until the context ends."""
    before = getattr(layer, name)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        object.__setattr__(layer, name, before)


def activation_of(side, path):
    """Return the activation of a dense layer or a convolution as a function of arrays; None if it has none."""
    own = own_activation(side, path)
    return None if own is None else lambda array: np.asarray(own(tf.constant(array)))


def activation_name(side, path):
    """Return how a message calls this activation; nothing if there is none."""
    own = own_activation(side, path)
    return "" if own is None else name_of(own)


def own_activation(side, path):
    layer = layers_of(side).get(path)
    layer = getattr(layer, "layer", layer) if isinstance(layer, L.TimeDistributed) else layer
    own = getattr(layer, "activation", None)
    if own is None or own is keras.activations.linear or isinstance(layer, L.RNN | L.Activation):
        return None
    return own


def settings_of(side, path):
    """Return the settings of a layer by their common names."""
    return settings(layers_of(side).get(path), SETTINGS)
