"""Hold a Keras model in float64 for the time of a check, and change single layers of it."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import get_keras_mask, set_keras_mask

from parity.models.keras_side import turned
from parity.pairs.alternatives import of_epsilon, of_slope, settings
from parity.pairs.keras_exact import Constants, exact_constants

L = keras.layers
SETTINGS = {"eps": ("epsilon", "eps"), "padding": ("padding",), "stride": ("strides",)}  # common name -> those of Keras


def hold(side, dtype, stack):
    """Let a model have weights of a dtype, and constants that are not rounded, until the stack is closed."""
    side.constants = Constants({id(layer): path for path, layer in layers_of(side).items()} | {id(side.layer): ""})
    stack.enter_context(exact_constants(side.constants))
    stack.enter_context(turned(side.layer, dtype, {}, lambda tensor: tensor, {}))
    side.values.clear()
    side.graphs.clear()


def layers_of(side):
    """Return all layers by their traced paths."""
    return {(layer.path or "").partition("/")[2] or layer.name: layer for layer in side.layer._flatten_layers()}


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
    layer = layers_of(side).get(path)
    layer = getattr(layer, "layer", layer) if isinstance(layer, L.TimeDistributed) else layer
    own = getattr(layer, "activation", None)
    if own is None or own is keras.activations.linear or isinstance(layer, L.RNN | L.Activation):
        return None
    return lambda array: np.asarray(own(tf.constant(array)))


def settings_of(side, path):
    """Return the settings of a layer by their common names."""
    return settings(layers_of(side).get(path), SETTINGS)


def cells(layer):
    inner = [layer.forward_layer, layer.backward_layer] if isinstance(layer, L.Bidirectional) else [layer]
    found = []
    for one in inner:
        cell = one.cell if isinstance(one, L.RNN) else one
        found += cell.cells if isinstance(cell, L.StackedRNNCells) else [cell]
    return found


def hard_sigmoid_2(x):
    """Keras 2's: 0.2 x + 0.5."""
    return keras.ops.clip(0.2 * x + 0.5, 0, 1)


def gelu(x):
    return keras.activations.gelu(x, approximate=False)


def gelu_tanh(x):
    return keras.activations.gelu(x, approximate=True)


A = keras.activations
ACTIVATIONS = {
    "no activation": A.linear,
    "relu": A.relu,
    "exact gelu": gelu,
    "gelu with tanh": gelu_tanh,
    "tanh": A.tanh,
    "sigmoid": A.sigmoid,
    "hard_sigmoid of Keras 3": A.hard_sigmoid,
    "hard_sigmoid of Keras 2": hard_sigmoid_2,
    "silu": A.silu,
    "elu": A.elu,
    "selu": A.selu,
    "softplus": A.softplus,
    "softmax": A.softmax,
}
GATES = ("sigmoid", "hard_sigmoid of Keras 3", "hard_sigmoid of Keras 2")
INNER = ("tanh", "relu", "sigmoid", "no activation")


def name_of(function):
    """Return how a message calls an activation."""
    known = {id(own): name for name, own in ACTIVATIONS.items()}
    return known.get(id(function)) or getattr(function, "__name__", type(function).__name__)


def alternatives(side, path, other, mask):
    """Yield the known alternatives of a layer: what, its value here, that which is tried, and a context.

    Args:
        side: the model.
        path: of the layer.
        other: settings of the layer's partner.
        mask: of the batch, (B, T).
    """
    layer = layers_of(side).get(path)
    if layer is None:
        return
    yield from of_epsilon(layer, SETTINGS["eps"], other, changed)
    yield from of_activations(layer)
    if isinstance(layer, L.Bidirectional):
        for mode in ("concat", "sum", "mul", "ave"):
            if mode != layer.merge_mode:
                yield "merge_mode", layer.merge_mode, mode, changed(layer, "merge_mode", mode)
    if isinstance(getattr(layer, "padding", None), str) and isinstance(layer, L.Conv1D | L.SeparableConv1D):
        for padding in ("same", "causal", "valid"):
            if padding != layer.padding:
                yield "padding", layer.padding, padding, changed(layer, "padding", padding)
    if isinstance(layer, L.LeakyReLU):
        yield from of_slope(layer, changed)
    yield from of_masks(layer, mask)


def of_activations(layer):
    if isinstance(layer, L.RNN | L.Bidirectional) or hasattr(layer, "recurrent_kernel"):
        every = [cell for cell in cells(layer) if hasattr(cell, "activation")]
        for attribute, names in (("recurrent_activation", GATES), ("activation", INNER)):
            own = {getattr(cell, attribute, None) for cell in every} - {None}
            for name in names if len(own) == 1 else ():
                one = own.copy().pop()
                if ACTIVATIONS[name] is not one:
                    yield attribute, name_of(one), name, all_changed(every, attribute, ACTIVATIONS[name])
    elif callable(own := getattr(layer, "activation", None)):
        for name, function in ACTIVATIONS.items():
            if function is not own:
                yield "activation", name_of(own), name, changed(layer, "activation", function)


@contextlib.contextmanager
def all_changed(layers, name, value):
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(changed(layer, name, value))
        yield


def of_masks(layer, mask):
    if not layer._layers or isinstance(layer, L.RNN | L.Bidirectional | L.MultiHeadAttention):
        whole = tf.constant(mask)
        if isinstance(layer, L.MultiHeadAttention):
            yield "mask", "", "True on real steps", called(layer, lambda a, k: (a, attended(k, whole)))
            yield "mask", "", "inverted", called(layer, lambda a, k: (a, inverted(k)))
        elif takes_mask(layer):
            yield "mask", "", "True on real steps", called(layer, lambda a, k: (masked(a, whole), k))
        yield "mask", "", "taken away", called(layer, lambda a, k: (masked(a, None), unmasked(k)))
        yield "padding of its input", "", "0", called(layer, lambda a, k: (zeroed(a, whole), k))


def takes_mask(layer):
    return isinstance(layer, L.RNN | L.Bidirectional | L.GlobalAveragePooling1D | L.BatchNormalization | L.Softmax)


def masked(args, mask):
    """Return arguments whose first tensor has another mask."""
    first = tf.identity(args[0])
    if mask is not None and first.shape[:2] == mask.shape:
        set_keras_mask(first, mask)
    return (first, *map(tf.identity, args[1:]))


def unmasked(kwargs):
    return {name: value for name, value in kwargs.items() if "mask" not in name}


def attended(kwargs, mask):
    return unmasked(kwargs) | {"attention_mask": mask[:, None, :]}


def inverted(kwargs):
    if kwargs.get("attention_mask") is None:
        raise ValueError("there is no mask")
    own = tf.cast(kwargs["attention_mask"], tf.bool)
    return kwargs | {"attention_mask": tf.logical_not(own)}


def zeroed(args, mask):
    first = args[0]
    if not first.dtype.is_floating or first.shape[:2] != mask.shape:
        raise ValueError("there is no padding")
    new = tf.where(tf.reshape(mask, (*mask.shape, *[1] * (len(first.shape) - 2))), first, tf.zeros_like(first))
    if (own := get_keras_mask(first)) is not None:
        set_keras_mask(new, own)
    return (new, *args[1:])


@contextlib.contextmanager
def called(layer, change):
    """Call a layer with other arguments until the context ends."""
    original = L.Layer.__call__

    def call(own, *args, **kwargs):
        if own is layer:
            args, kwargs = change(args, kwargs)
        return original(own, *args, **kwargs)

    L.Layer.__call__ = call
    try:
        yield
    finally:
        L.Layer.__call__ = original
