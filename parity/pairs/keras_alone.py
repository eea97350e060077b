"""Run layers of a Keras model alone in float64, with other values for their variables."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from parity.models.isolation import isolated
from parity.models.keras_side import turned
from parity.tensorflow.runtime import settings

L = keras.layers
CELLS = {L.LSTMCell: "lstm", L.GRUCell: "gru", L.SimpleRNNCell: "rnn"}
TRANSPOSED = (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)


@contextlib.contextmanager
def standing_alone(layer, values):
    """Turn a layer to float64 and inference mode, with other values for its variables, until the context ends."""
    with isolated(), settings():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        with turned(layer, "float64", {}, lambda tensor: tensor, {}):
            for variable in layer.variables:
                if (given := values.get(id(variable))) is not None:
                    variable._value.assign(given)
            yield


@contextlib.contextmanager
def bare(layer):
    """Take away a layer's activation and padding, which are steps of their own elsewhere, until the context ends."""
    others = {"activation": keras.activations.linear, "padding": "valid"}
    if isinstance(layer, (*CELLS, *TRANSPOSED)):
        others = {}
    before = {name: vars(layer)[name] for name in others if name in vars(layer)}
    try:
        vars(layer).update({name: others[name] for name in before})
        yield
    finally:
        vars(layer).update(before)


def applied(layer, call=lambda run, x: run(x), key="x", make=None):
    """Return a function that runs a layer in float64 without activation and padding, with other values."""

    def alone(values, given):
        with standing_alone(layer, values), bare(layer):
            one = make() if make else layer
            return np.asarray(call(lambda x: one(tf.constant(x), training=False).numpy(), given[key]))

    return alone


def over_channels(layer):
    """Run a layer on (B, T, C), with as many axes as it takes and its own axis for C."""

    def call(run, x):
        rank = layer.input_spec.ndim or layer.input_spec.min_ndim or 3 if layer.input_spec else 3
        axis = layer.axis % rank
        shaped = x.reshape(-1, x.shape[-1]) if rank == 2 else x.reshape(*x.shape[:2], *[1] * (rank - 3), x.shape[-1])
        return np.moveaxis(run(np.moveaxis(shaped, -1, axis)), axis, -1).reshape(x.shape)

    return applied(layer, call)


def over_image(layer):
    """Run a convolution on what has its channels last."""

    def call(run, x):
        if layer.data_format == "channels_first":
            return np.moveaxis(run(np.moveaxis(x, -1, 1)), 1, -1)
        return run(x)

    return applied(layer, call)


def attending(layer):
    """Run attention on a query, a key and a value."""

    def alone(values, given):
        with standing_alone(layer, values):
            query, value, key = (tf.constant(given[name]) for name in ("query", "value", "key"))
            return layer(query, value, key).numpy()

    return alone
