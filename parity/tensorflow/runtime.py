"""Convert arrays and tensors, run an implementation, and differentiate it."""

import logging
import os
import random
import tempfile
from contextlib import contextmanager, nullcontext
from functools import cache, partial, wraps

BEFORE = dict(os.environ), random.getstate()  # the caller's; programs that it starts may use another backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

try:
    import keras
    import tensorflow as tf
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context
    from tensorflow.python.ops import stateful_random_ops as random_ops
finally:
    for variable in {"TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"}.difference(BEFORE[0]):
        del os.environ[variable]
    random.setstate(BEFORE[1])

VERSION = f"tensorflow {tf.__version__}, keras {keras.__version__}"

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"Keras runs on {keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow before Python starts")


def environment(device="cpu", tf32=False):
    """Return the versions and settings that results depend on."""
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "device": device,
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or cores(),
        "tf32": tf32,
    }


def cores():
    """Return the number of cores that this process may use: TensorFlow starts as many threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def limit_threads(threads):
    """Use so many threads at most; later than the first tensor, it raises a RuntimeError."""
    tf.config.threading.set_intra_op_parallelism_threads(min(threads, cores()))


def has_cuda():
    return bool(tf.config.list_physical_devices("GPU"))


POLICY = "dtype_policy"  # keras.config.dtype_policy() would fix the policy that the caller has not chosen yet
SETTINGS = (  # how to read each, how to write it, and the default of TensorFlow or Keras
    (keras.config.floatx, keras.config.set_floatx, "float32"),
    (keras.config.epsilon, keras.config.set_epsilon, 1e-7),
    (keras.config.image_data_format, keras.config.set_image_data_format, "channels_last"),
    (partial(global_state.get_global_attribute, POLICY), partial(global_state.set_global_attribute, POLICY), None),
    (tf.config.functions_run_eagerly, tf.config.run_functions_eagerly, False),
    # deprecations, such as dynamic_rnn's, and what a layer that raised has not used
    (partial(getattr, tf.get_logger(), "level"), tf.get_logger().setLevel, logging.CRITICAL),
)


@contextmanager
def settings(tf32=False):
    """Set the defaults of TensorFlow and Keras, and TF32; restore the caller's settings."""
    products = tf.config.experimental
    rounding = (products.tensor_float_32_execution_enabled, products.enable_tensor_float_32_execution, tf32)
    before = []
    try:
        for read, write, default in (*SETTINGS, rounding):
            before.append((read, write, read()))
            if before[-1][-1] != default:
                write(default)
        with tf.__internal__.eager_context.eager_mode():  # the caller may be in a `tf.Graph`
            yield
    finally:
        for read, write, value in reversed(before):
            if read() != value:
                write(value)


def generator_state():
    """Return the state of Keras' global seed generator; None where there is none yet."""
    generator = global_state.get_global_attribute("global_seed_generator")
    return None if generator is None else generator.state.numpy().tolist()


def eager_state(current):
    """Return the seed of eager operations and the state of its generator; None where none was asked for yet."""
    generator = getattr(current, "_rng", None)
    return current._seed, generator and generator.getstate()


PROCESS = {  # how to read what a run must leave as it is
    **{f"setting of {read.__name__}": read for read, *_ in SETTINGS[:3]},
    "dtype policy": lambda: getattr(global_state.get_global_attribute(POLICY), "name", keras.config.floatx()),
    "functions that run eagerly": tf.config.functions_run_eagerly,
    "level of the logger": lambda: tf.get_logger().level,
    "TF32": tf.config.experimental.tensor_float_32_execution_enabled,
    "random state of Keras": generator_state,
    "seed of Keras": partial(global_state.get_global_attribute, "global_random_seed"),
    "random state of TensorFlow": lambda: eager_state(context.context()),
    "generator of TensorFlow": lambda: (
        random_ops.global_generator and random_ops.global_generator.state.numpy().tolist()
    ),
    "XLA": tf.config.optimizer.get_jit,
    "filtering of tracebacks": tf.debugging.is_traceback_filtering_enabled,
    "threads": lambda: (
        tf.config.threading.get_inter_op_parallelism_threads(),
        tf.config.threading.get_intra_op_parallelism_threads(),
    ),
}


def valid(lengths, steps, left=False):  # (B,), T -> (B, T)
    """Return True on real steps, and False on padding, which precedes each sequence if ``left``."""
    real = tf.sequence_mask(lengths, steps)
    return tf.reverse(real, [1]) if left else real


def only_real(real, values):  # (B, T), (B, T, D)
    """Return the values on real steps, and 0 on padding.

    It selects instead of multiplying by the mask: the gradient of a product multiplies by the padding, and NaN times 0
    is NaN. Keras' masked layers and ``dynamic_rnn`` ignore NaN in the padding going forward, but their loops multiply
    by it in the backward pass, and every gradient becomes NaN. Functions that compute with padding begin with this
    line.
    """
    return tf.where(real[:, :, None], values, tf.zeros((), values.dtype))


def nan_in_all(weights, axis=-1):
    """Return the weights of a softmax, all NaN where one of them is.

    A softmax over a score of NaN or inf is NaN everywhere, but where oneDNN computes it, which TensorFlow lets it do on
    CPUs with AVX-512 or AMX, only the weight of that score is NaN, and all others are 0: `attention.nan_in_one_score`
    in the catalogue of divergences.

    >>> nan_in_all(tf.constant([[0.0, float("nan")], [0.5, 0.5]])).numpy().tolist()
    [[nan, nan], [0.5, 0.5]]
    """
    lost = tf.reduce_any(tf.math.is_nan(weights), axis, keepdims=True)
    return tf.where(lost, tf.constant(float("nan"), weights.dtype), weights)


def zero_on_padding(output, lengths, steps, left=False):  # (B, T, ...), (B,), T
    """Return an output of T steps that is 0 on padding, whatever it holds there, and if its last steps are missing."""
    if output.shape.rank is None or output.shape.rank < 2:
        return output  # of another shape than expected: the comparison reports it
    missing = tf.maximum(steps - tf.shape(output, steps.dtype)[1], 0)
    whole = tf.pad(output, [[0, 0], [0, missing], *[[0, 0]] * (output.shape.rank - 2)])
    real = valid(lengths, steps, left)
    real = tf.reshape(real, tf.concat([tf.shape(real), [1] * (output.shape.rank - 2)], 0))
    return tf.where(real, whole, tf.zeros((), output.dtype))


def rolled(values, shifts):  # (B, T, ...), (B,) -> (B, T, ...)
    """Move each row along time by its own shift; `tf.roll` has one for all."""
    steps = tf.shape(values, shifts.dtype)[1]
    origin = (tf.range(steps) - shifts[:, None]) % steps
    return tf.gather(values, origin, axis=1, batch_dims=1)


def constant(tensor):
    """Return a tensor that no gradient reaches."""
    return tf.stop_gradient(tensor)


@tf.custom_gradient
def rearranged(rows, order, back):  # (N, ...) -> (N, ...), each row once; ``back`` undoes ``order``
    """Gather rows; the gradient gathers too, while that of `tf.gather` adds rows up."""
    return tf.gather(rows, order), lambda d: (tf.gather(d, back), None, None)


def built_once(build):
    """Cache the layers that a function builds. Keras seeds them by Python's `random`, whose state is the caller's.

    They are built outside of any graph: one whose trace fails would leave their variables without values.
    """

    @cache
    @wraps(build)
    def built(*arguments, **options):
        state = random.getstate()
        with tf.init_scope():
            layer = build(*arguments, **options)
        random.setstate(state)
        return layer

    return built


def call_layer(layer, weights, *inputs, **options):
    """Call a Keras layer with weights that are passed in, so that gradients reach them."""
    outputs, _ = layer.stateless_call(weights, layer.non_trainable_variables, *inputs, **options)
    return outputs


def pick(variants, variant):
    """Return ``variant``, or its value in a dict, if it is one of ``variants``."""
    if variant not in variants:
        raise ValueError(f"variant: got {variant!r}, expected one of: {', '.join(variants)}")
    return variants[variant] if isinstance(variants, dict) else variant


def run(
    call,
    arrays,
    cotangents,
    *,
    mode="eager",
    axes=None,
    device="cpu",
    tf32=False,
    watch=nullcontext,
    differentiates=True,
):
    """Return outputs and gradients of ``call`` as arrays, and the names of sparse gradients.

    Gradients of all float inputs are taken against ``cotangents``, one for each output that counts; without
    ``differentiates`` there are none. In modes "graph" and "exported", the batch and time axes given by ``axes`` (of
    inputs and outputs, by name) stay open, so that one trace serves all. ``watch`` surrounds all that runs of ``call``.
    """
    with settings(tf32), at(device):
        arrays, cotangents = constants(arrays), constants(cotangents)
        if mode == "exported":
            call, mode = exported(call, arrays, axes), "eager"
        with watch():
            step = stepper(call, arrays, cotangents, mode, axes, differentiates)
            outputs, gradients = step(arrays, cotangents)
        sparse = tuple(name for name, gradient in gradients.items() if isinstance(gradient, tf.IndexedSlices))
        return plain(outputs), plain(gradients), sparse


def second(call, arrays, cotangents, directions, *, mode="eager", axes=None, device="cpu", tf32=False):
    """Return the gradient of ``Σ gradient · direction``, of all float inputs, as arrays: products with the Hessian."""
    with settings(tf32), at(device):
        arrays, cotangents, directions = constants(arrays), constants(cotangents), constants(directions)
        floats = {name: tensor for name, tensor in arrays.items() if tensor.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(list(floats.values()))
            _, gradients = with_gradients(call)(arrays, cotangents)
            total = tf.add_n(
                [tf.reduce_sum(tf.convert_to_tensor(gradients[name]) * directions[name]) for name in floats]
            )
        found = tape.gradient(total, list(floats.values()), unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return plain(dict(zip(floats, found, strict=True)))


def resident(call, arrays, cotangents, *, mode="eager", axes=None, device="cpu"):
    """Return ``forward``, ``train``, ``wait`` and ``kernels`` on tensors that stay on their device."""
    with at(device):
        arrays, cotangents = constants(arrays), constants(cotangents)
    tf.get_logger().setLevel(logging.ERROR)  # these two are not put back: `settings` would be timed with each call
    tf.config.experimental.enable_tensor_float_32_execution(False)
    step = stepper(call, arrays, cotangents, mode, axes)
    alone = stepper(call, arrays, {}, mode, axes)
    latest = []

    def forward():
        with at(device):
            outputs = alone(arrays, {})
        latest[:] = tf.nest.flatten(outputs)
        return outputs

    def train():
        with at(device):
            outputs, gradients = step(arrays, cotangents)
        latest[:] = tf.nest.flatten((outputs, gradients), expand_composites=True)  # sparse gradients stay sparse
        return outputs, gradients

    def wait():  # reading a number waits for it
        for tensor in latest:
            tf.reshape(tensor, [-1])[:1].numpy()

    def kernels():
        """List the known kernels in the graph of a run."""
        if mode == "eager":
            return ["eager"]
        graph = step.get_concrete_function(arrays, cotangents).graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        ran = " ".join({node.op for node in nodes})
        found = [name for name, pattern in KERNELS.items() if pattern in ran]
        return ["XLA"] * (mode == "xla") + found or ["native"]

    return forward, train, wait, kernels


KERNELS = {"cuDNN": "CudnnRNN", "while loop": "While"}


def device_memory(run):
    """Return the bytes of a GPU that a call adds at its peak."""
    tf.config.experimental.reset_memory_stats("GPU:0")
    before = tf.config.experimental.get_memory_info("GPU:0")["current"]
    run()
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] - before


def exported(call, arrays, axes):
    """Save ``call`` as a `tf.saved_model`, and load it; keep the result with it."""
    specs = {name: tf.TensorSpec(open_shape(tensor, axes[name]), tensor.dtype) for name, tensor in arrays.items()}
    programs = vars(call).setdefault("programs", {})
    key = str(specs)
    if key not in programs:
        module = tf.Module()
        module.call = tf.function(lambda inputs: dict(only_tensors(call(inputs))), [specs], autograph=False)
        module.tracked = list(module.call.get_concrete_function().variables)
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, options=options)
            loaded = tf.saved_model.load(folder)
        programs[key] = lambda inputs: loaded.call(inputs)
    return programs[key]


def stepper(call, arrays, cotangents, mode, axes, differentiates=True):
    """Return a function that runs ``call``, with gradients if there are cotangents; ``call`` keeps its graphs."""
    step = with_gradients(call) if cotangents and differentiates else without_gradients(call)
    if mode == "eager":
        return step
    groups = (arrays, cotangents)
    open_shapes = mode == "graph"  # XLA compiles for one shape
    signature = tuple(
        tuple((name, t.dtype, open_shape(t, axes[name]) if open_shapes else t.shape) for name, t in group.items())
        for group in groups
    )
    graphs = vars(call).setdefault("graphs", {})
    if (signature, mode, differentiates) not in graphs:
        graph = traced(step, *signature, mode == "xla")
        graph.get_concrete_function()  # one that cannot be traced is not kept: called again, it would return None
        graphs[signature, mode, differentiates] = graph
    return graphs[signature, mode, differentiates]


def square_product(side, device="cpu"):
    """Return a function that multiplies matrices, and one that waits: the peak rate."""
    with at(device):
        a, b = tf.random.stateless_uniform((2, side, side), seed=(0, 0))
    product = tf.function(lambda: tf.matmul(a, b))

    def start():
        with at(device):
            latest[0] = product()

    latest = [None]
    start()

    return start, lambda: latest[0][0, 0].numpy()


def at(device):
    """Return a context in which tensors are made and computed on the device."""
    return tf.device("/GPU:0" if device == "cuda" else "/CPU:0")


def constants(arrays):
    return {name: tf.constant(array) for name, array in arrays.items()}


def plain(found):
    """Convert tensors by name to arrays by name."""
    return {name: tf.convert_to_tensor(tensor).numpy() for name, tensor in found.items()}


def only_tensors(outputs):
    """Return what a function returned, if all of it is tensors: gradients reach nothing else."""
    for name, output in outputs.items():
        if not isinstance(output, tf.Tensor | tf.Variable | tf.IndexedSlices):
            raise TypeError(f"result {name}: got an object of type {type(output).__name__}, expected a tensor")
    return outputs


def with_gradients(call):
    """Return a function from arrays and cotangents to outputs, and the gradient of every float input, by name."""

    def step(arrays, cotangents):
        floats = {name: tensor for name, tensor in arrays.items() if tensor.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(list(floats.values()))
            outputs = only_tensors(call(arrays))
        outputs = {name: outputs[name] for name in cotangents if name in outputs}
        smooth = [name for name, output in outputs.items() if output.dtype.is_floating]
        for name in smooth:
            if not outputs[name].shape.is_compatible_with(cotangents[name].shape):
                raise ValueError(f"{name} has shape {outputs[name].shape}, expected {cotangents[name].shape}")
        gradients = tape.gradient(
            [outputs[name] for name in smooth],
            list(floats.values()),
            output_gradients=[tf.cast(cotangents[name], outputs[name].dtype) for name in smooth],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return outputs, dict(zip(floats, gradients, strict=True))

    return step


def without_gradients(call):
    """Return a function from arrays and cotangents to outputs; those that have a cotangent, if any has."""

    def step(arrays, cotangents):
        outputs = only_tensors(call(arrays))
        return ({name: outputs[name] for name in cotangents if name in outputs}, {}) if cotangents else outputs

    return step


def traced(step, arrays, cotangents, xla=False):
    """Trace one graph for all batches and lengths, from ``(name, dtype, open shape)`` of every array."""
    specs = [{name: tf.TensorSpec(shape, dtype) for name, dtype, shape in group} for group in (arrays, cotangents)]
    return tf.function(step, input_signature=specs, autograph=False, jit_compile=xla or None)


def open_shape(tensor, axes):
    return tuple(None if axis in "BT" else size for axis, size in zip(axes, tensor.shape, strict=True))
