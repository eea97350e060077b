"""Normalise steps and batches in Keras, without their padding.

`BatchNormalization` takes a mask, but then divides by the number of real steps *plus* ``keras.config.epsilon()``, 1e-7,
which is visible in float64. So the real steps are selected, normalised as an (N, H) batch and put back. Its momentum is
the share of the old statistic, and its running variance is biased; `torch` differs in both. See
https://keras.io/api/layers/normalization_layers/batch_normalization/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def layer_norm(x, lengths, gamma, beta, *, eps=1e-5, variant="masked"):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each step's features.

    Args:
        eps: added to the variance; the default is 1e-3 in Keras and 1e-5 in `torch`.

    Returns:
        y: (B, T, H), zero on padding, where the layer itself leaves ``beta``.

    >>> x = tf.constant([[[1.0, 3.0], [7.0, 9.0]]])
    >>> layer_norm(x, tf.constant([1]), tf.ones(2), tf.zeros(2), eps=0.0)["y"].numpy().tolist()
    [[[-1.0, 1.0], [0.0, 0.0]]]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    layer = built(keras.layers.LayerNormalization, (None, None, x.shape[2]), x.dtype, epsilon=eps)
    y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))
    return {"y": runtime.only_real(real, y)}


def batch_norm(
    x,
    lengths,
    gamma,
    beta,
    running_mean,
    running_variance,
    *,
    training,
    momentum=0.1,
    eps=1e-5,
    updates=1,
    variant="flattened",
):  # (B, T, H)  (B,)  (H,)  (H,)  (H,)  (H,)
    """Normalise each feature over all real steps.

    Args:
        training: True to use the batch's mean and variance, False to use the running ones.
        momentum: share of the new value in a running statistic; in Keras it is that of the old value.
        eps: added to the variance; the default is 1e-3 in Keras and 1e-5 in `torch`.
        updates: how often this batch updates the running statistics.

    Returns:
        y: (B, T, H), zero on padding. In training also running_mean, running_variance: (H,), unchanged if no
            step of the batch is real. The variance is biased.

    >>> x, one, zero = tf.constant([[[1.0], [3.0], [9.0]]]), tf.ones(1), tf.zeros(1)
    >>> training = batch_norm(x, tf.constant([2]), one, zero, zero, one, training=True, momentum=0.5, eps=1e-12)
    >>> training["y"].numpy().ravel().tolist(), training["running_mean"].numpy().tolist()
    ([-1.0, 1.0, 0.0], [1.0])

    The deviation of a single real step is 0, so y is ``beta``.

    >>> batch_norm(x, tf.constant([1]), one, zero + 0.5, zero, one, training=True)["y"].numpy().ravel().tolist()
    [0.5, 0.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    running = [tf.stop_gradient(running_mean), tf.stop_gradient(running_variance)]  # buffers
    steps = tf.boolean_mask(x, real)  # (N, H)
    options = {"momentum": 1 - momentum, "epsilon": eps}
    layer = built(keras.layers.BatchNormalization, (None, x.shape[2]), x.dtype, **options)
    if not training:
        y, _ = layer.stateless_call([gamma, beta], running, steps, training=False)
        return {"y": put_back(y, real)}

    def trained():
        state = running
        for _ in range(updates):
            y, state = layer.stateless_call([gamma, beta], state, steps, training=True)
        return y, *(tf.stop_gradient(statistic) for statistic in state)

    y, mean, variance = tf.cond(tf.reduce_any(real), trained, lambda: (steps, *running))  # the mean of nothing is NaN
    return {"y": put_back(y, real), "running_mean": mean, "running_variance": variance}


def rms_norm(x, lengths, gamma, *, eps=1e-6, variant="layer"):  # (B, T, H)  (B,)  (H,)
    """Divide each step by the root of its mean square.

    Args:
        eps: added to the mean square; the default is 1e-6 in Keras, and the roundoff of the dtype in `torch`.

    Returns:
        y: (B, T, H), zero on padding.

    >>> y = rms_norm(tf.constant([[[1.0, 7.0], [9.0, 9.0]]]), tf.constant([1]), tf.ones(2), eps=0.0)["y"]
    >>> y.numpy().round(4)
    array([[[0.2, 1.4],
            [0. , 0. ]]], dtype=float32)
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    layer = built(keras.layers.RMSNormalization, (None, None, x.shape[2]), x.dtype, epsilon=eps)
    y = runtime.call_layer(layer, [gamma], runtime.only_real(real, x))
    return {"y": runtime.only_real(real, y)}


def unit_norm(x, lengths, *, eps=1e-12, variant="l2_normalize"):  # (B, T, H)  (B,)
    """Divide each step by its Euclidean norm. At 0, the slope of `tf.norm` and of a root is not finite.

    Args:
        eps: the least norm to divide by; `tf.math.l2_normalize` takes its square.

    Returns:
        y: (B, T, H), zero on padding, and for a step of zeros.

    >>> y = unit_norm(tf.constant([[[3.0, 4.0], [0.0, 0.0]]]), tf.constant([2]))["y"]
    >>> y.numpy().round(4)
    array([[[0.6, 0.8],
            [0. , 0. ]]], dtype=float32)
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    y = tf.math.l2_normalize(runtime.only_real(real, x), 2, epsilon=eps**2)
    return {"y": runtime.only_real(real, y)}


def put_back(steps, real):  # (N, H)  (B, T) -> (B, T, H)
    """Put real steps back in their positions, and zeros on padding."""
    shape = tf.concat([tf.shape(real), [steps.shape[1]]], 0)
    return tf.scatter_nd(tf.where(real), steps, tf.cast(shape, tf.int64))


@runtime.built_once
def built(kind, shape, dtype, **options):
    """Build an empty layer once; its weights are passed in at every call."""
    layer = kind(dtype=dtype.name, **options)
    layer.build(shape)
    return layer
