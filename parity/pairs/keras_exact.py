"""Let TensorFlow compute in float64 with constants that are not rounded to float32.

TensorFlow turns a Python float into a float32 tensor before it casts it: the constants of GELU and the scale of Keras'
attention are rounded, in float64 too, and so is the slope of a leaky ReLU. Differences of 3e-8 follow.
"""

import contextlib
from unittest import mock

import tensorflow as tf
from tensorflow.python.ops import math_ops


@contextlib.contextmanager
def exact_constants():
    """Keep Python floats exact until the context ends."""
    original = math_ops.cast

    def cast(x, dtype, name=None):
        if isinstance(x, float):
            return tf.constant(x, dtype)
        return original(x, dtype, name)

    def leaky_relu(features, alpha=0.2, name=None):  # noqa: ARG001
        return tf.where(features > 0, features, tf.constant(alpha, features.dtype) * features)

    with (
        mock.patch.object(math_ops, "cast", cast),
        mock.patch.object(tf, "cast", cast),
        mock.patch.object(tf.nn, "leaky_relu", leaky_relu),
    ):
        yield
