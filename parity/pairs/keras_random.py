"""Do without dropout in a Keras model, that of functions too."""

import contextlib
from unittest import mock

import keras
import tensorflow as tf
from keras.src import backend

from parity.pairs.keras_half import changed, layers_of, paths_of
from parity.pairs.randomness import dropping

L = keras.layers
RATES = ("rate", "dropout", "recurrent_dropout", "stddev")


def dropouts(side):
    """Return all layers that drop numbers in training; of recurrent ones, their cells do."""
    layers = layers_of(side).items()
    return dropping([one for one in layers if not isinstance(one[1], L.RNN | L.Bidirectional)], RATES)


@contextlib.contextmanager
def without_dropout(side, found):
    """Set all rates to 0 until the context ends, and note those of functions."""
    own = dropouts(side)
    found.rates.update({path: rate for path, _, _, rate in own})
    paths = paths_of(side)

    def drop(inputs, rate, *_, **__):
        if rate > 0:
            found.call(paths, rate)
        return inputs

    side.graphs.clear()
    with contextlib.ExitStack() as stack:
        for _, layer, name, _ in own:
            stack.enter_context(changed(layer, name, 0.0))
        stack.enter_context(mock.patch.object(backend.random, "dropout", drop))
        stack.enter_context(mock.patch.object(tf.nn, "dropout", drop))
        yield
    side.graphs.clear()


@contextlib.contextmanager
def seeded(side, seed):
    """Let the generators of layers have another seed until the context ends."""
    generators = [v for v in side.layer.variables if not keras.backend.is_float_dtype(v.dtype) and "seed" in v.path]
    before = side.loaded
    side.loaded = {**before, **{id(v): v.numpy() + seed for v in generators}}
    try:
        yield
    finally:
        side.loaded = before
