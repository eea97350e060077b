"""Let gradients pass through a Keras model where they are stopped, and train what is frozen."""

import contextlib
from unittest import mock

import tensorflow as tf
from keras.src import backend

from parity.pairs.keras_half import changed
from parity.pairs.keras_model import KerasModel
from parity.pairs.keras_random import paths_of
from parity.pairs.randomness import caller


@contextlib.contextmanager
def thawed(side, names):
    """Let variables have gradients until the context ends."""
    frozen = [v for name, v in KerasModel(side).variables.items() if name in names and not v.trainable]
    with contextlib.ExitStack() as stack:
        for layer in side.layer._flatten_layers():
            stack.enter_context(changed(layer, "_trainable", True))
        for variable in frozen:
            variable.trainable = True
        forget(side)
        try:
            yield
        finally:
            for variable in frozen:
                variable.trainable = False
    forget(side)


def forget(side):
    side.graphs.clear()
    side.values.clear()


@contextlib.contextmanager
def passing(side, found):
    """Let `stop_gradient` in the methods of a model do nothing until the context ends, and note its callers."""
    paths, stop = paths_of(side), tf.stop_gradient

    def stopped(x, *args, **options):
        layer = caller(paths)
        if layer is None:
            return stop(x, *args, **options)
        found.append(("stop_gradient", layer))
        return x

    side.graphs.clear()
    with mock.patch.object(tf, "stop_gradient", stopped), mock.patch.object(backend.core, "stop_gradient", stopped):
        yield
    side.graphs.clear()
