"""What every function of this wing needs: arrays to tensors, run, differentiate, tensors to arrays."""

import os
from functools import cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

VERSION = f"tensorflow {tf.__version__}, keras {keras.__version__}"

tf.get_logger().setLevel("ERROR")  # dynamic_rnn is deprecated; that it still works is what we check
if keras.backend.backend() != "tensorflow":
    raise ImportError(f"Keras runs on {keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow before Python starts")


def environment():
    """What the numbers depend on."""
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "device": "gpu" if tf.config.list_logical_devices("GPU") else "cpu",
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count(),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
    }


def forget():
    """Drop what was traced."""
    eager.cache_clear()
    traced.cache_clear()


def valid(lengths, steps):  # (B,), T -> (B, T)
    """True on real steps, False on padding."""
    return tf.sequence_mask(lengths, steps)


def only_real(real, values):  # (B, T), (B, T, D)
    """The values on real steps, 0 on padding.

    A choice, not a product with the mask: the gradient of a product multiplies by the padding, and NaN times 0 is
    NaN. Keras' masked layers and ``dynamic_rnn`` ignore NaN in the padding going forward, but their loops
    multiply by it coming back, and every gradient is lost. So every function here begins with this line.
    """
    return tf.where(real[:, :, None], values, tf.zeros((), values.dtype))


def call_layer(layer, weights, *inputs, **options):
    """A Keras layer on weights that are passed in, so that gradients reach them."""
    outputs, _ = layer.stateless_call(weights, layer.non_trainable_variables, *inputs, **options)
    return outputs


def pick(variants, variant):
    """``variant``, or what stands under it in a dict, if it is one of ``variants``."""
    if variant not in variants:
        raise ValueError(f"variant: got {variant!r}, expected one of: {', '.join(variants)}")
    return variants[variant] if isinstance(variants, dict) else variant


def run(call, arrays, cotangents, *, mode="eager", axes=None):
    """Outputs and gradients of ``call`` as arrays, and the names of the gradients that came sparse.

    The gradient of every float input is taken against ``cotangents``, one for each output that counts.
    In mode "graph", ``axes`` (of inputs and outputs by name) tells which axes are batch and time: those stay open,
    so that one trace serves all.
    """
    arrays = {name: tf.constant(array) for name, array in arrays.items()}
    cotangents = {name: tf.constant(array) for name, array in cotangents.items()}
    step = eager(call)
    if mode == "graph":
        signature = [tuple((name, t.dtype, open_shape(t, axes[name])) for name, t in arrays.items())]
        signature += [tuple((name, t.dtype, open_shape(t, axes[name])) for name, t in cotangents.items())]
        step = traced(call, *signature)
    outputs, gradients = step(arrays, cotangents)
    sparse = tuple(name for name, gradient in gradients.items() if isinstance(gradient, tf.IndexedSlices))
    return (
        {name: output.numpy() for name, output in outputs.items()},
        {name: tf.convert_to_tensor(gradient).numpy() for name, gradient in gradients.items()},
        sparse,
    )


@cache
def eager(call):
    def step(arrays, cotangents):
        floats = {name: tensor for name, tensor in arrays.items() if tensor.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(list(floats.values()))
            outputs = call(arrays)
        outputs = {name: outputs[name] for name in cotangents if name in outputs}
        gradients = tape.gradient(
            list(outputs.values()),
            list(floats.values()),
            output_gradients=[cotangents[name] for name in outputs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return outputs, dict(zip(floats, gradients, strict=True))

    return step


@cache
def traced(call, arrays, cotangents):
    """One graph for all batches and lengths: ``(name, dtype, open shape)`` of every array."""
    specs = [{name: tf.TensorSpec(shape, dtype) for name, dtype, shape in group} for group in (arrays, cotangents)]
    return tf.function(eager(call), input_signature=specs, autograph=False)


def open_shape(tensor, axes):
    return tuple(None if axis in "BT" else size for axis, size in zip(axes, tensor.shape, strict=True))
