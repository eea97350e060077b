"""Let TensorFlow compute in float64 with constants that are not rounded to float32.

TensorFlow turns a Python float into a float32 tensor before it casts it: the constants of GELU and the scale of Keras'
attention are rounded, in float64 too, and so is the slope of a leaky ReLU. Differences of 3e-8 follow.
"""

import contextlib
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import math_ops

from parity.pairs.randomness import caller


class Constants:
    """The constants that are exact now, and would be rounded: by the layer that has them.

    Args:
        paths: of layers by their ids.
    """

    def __init__(self, paths):
        self.paths, self.found, self.exact = paths, {}, True

    def keep(self, value, dtype):
        if tf.as_dtype(dtype) == tf.float64 and float(np.float32(value)) != value:
            self.found.setdefault(caller(self.paths) or "the model", value)

    @contextlib.contextmanager
    def rounded(self):
        """Let TensorFlow round them until the context ends."""
        self.exact = False
        try:
            yield
        finally:
            self.exact = True


@contextlib.contextmanager
def exact_constants(constants):
    """Keep Python floats exact until the context ends, and note those that would be rounded."""
    original, leaky = math_ops.cast, tf.nn.leaky_relu

    def cast(x, dtype, name=None):
        if isinstance(x, float) and constants.exact:
            constants.keep(x, dtype)
            return tf.constant(x, dtype)
        return original(x, dtype, name)

    def leaky_relu(features, alpha=0.2, name=None):
        if not constants.exact:
            return leaky(features, alpha, name)
        constants.keep(alpha, features.dtype)
        return tf.where(features > 0, features, tf.constant(alpha, features.dtype) * features)

    with (
        mock.patch.object(math_ops, "cast", cast),
        mock.patch.object(tf, "cast", cast),
        mock.patch.object(tf.nn, "leaky_relu", leaky_relu),
    ):
        yield
