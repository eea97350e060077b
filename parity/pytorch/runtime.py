"""Convert arrays and tensors, run an implementation, and differentiate it."""

import io
import logging
import sys
import warnings
from contextlib import contextmanager, nullcontext, redirect_stderr
from functools import partial

import torch

VERSION = f"torch {torch.__version__}"


def environment(device="cpu", tf32=False):
    """Return the versions and settings that results depend on."""
    return {
        "torch": str(torch.__version__),  # a subclass of str, which not every serialiser supports
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "tf32": {"matmul": tf32, "cudnn": tf32},
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
    }


def limit_threads(threads):
    torch.set_num_threads(min(threads, torch.get_num_threads()))


def has_cuda():
    return torch.cuda.is_available()


SETTINGS = (  # how to read each, how to write it, and PyTorch's default
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled, False),  # it rejects the NaN that padding holds
    (partial(torch.is_autocast_enabled, "cpu"), partial(torch.set_autocast_enabled, "cpu"), False),
    (partial(torch.is_autocast_enabled, "cuda"), partial(torch.set_autocast_enabled, "cuda"), False),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
)


@contextmanager
def settings(tf32=False):
    """Set PyTorch's defaults, and whether a GPU may round float32 products to TF32; restore the caller's settings."""
    gpu = (torch.backends.cuda.matmul, torch.backends.cudnn)
    rounding = [(partial(getattr, a, "allow_tf32"), partial(setattr, a, "allow_tf32"), tf32) for a in gpu]
    device = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    with torch.inference_mode(False), torch.enable_grad(), device:
        before = []
        try:
            for read, write, default in (*SETTINGS, *rounding):
                value = readable(read)
                if value is not None:
                    before.append((read, write, value))
                    if value != default:
                        write(default)
            yield
        finally:
            for read, write, value in reversed(before):
                if readable(read) != value:
                    write(value)
            if torch.get_default_device().type != "cpu":  # the function has set it
                torch.set_default_device(None)


PROCESS = {  # how to read what a run must leave as it is
    "random state of PyTorch": lambda: bytes(torch.get_rng_state().numpy()),
    "random state of CUDA": lambda: torch.cuda.is_initialized() and bytes(torch.cuda.get_rng_state().numpy()),
    "default dtype": torch.get_default_dtype,
    "default device": torch.get_default_device,
    "gradient mode": lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    "autocast": lambda: (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")),
    "threads": lambda: (torch.get_num_threads(), torch.get_num_interop_threads()),
    "deterministic algorithms": torch.get_deterministic_debug_mode,
    "anomaly detection": torch.is_anomaly_enabled,
    "precision of products": lambda: readable(torch.get_float32_matmul_precision),
    "cuDNN": lambda: (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    "oneDNN": lambda: torch.backends.mkldnn.enabled,
    "fused attention": lambda: (
        *(torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
    ),
}


def readable(read):
    """Return a setting, or None where it was set by ``fp32_precision``, which its older names cannot read."""
    try:
        return read()
    except RuntimeError:
        return None


def clear_graphs():
    """Drop what the compiler keeps of every function that it has compiled."""
    if "torch._dynamo" in sys.modules:  # else it is not loaded, and loading it takes seconds
        torch._dynamo.reset()


def valid(lengths, steps, left=False):  # (B,), T -> (B, T)
    """Return True on real steps, and False on padding, which precedes each sequence if ``left``."""
    real = torch.arange(steps, device=lengths.device) < lengths[:, None]
    return real.flip(1) if left else real


def only_real(real, values):  # (B, T), (B, T, D)
    """Return the values on real steps, and 0 on padding.

    It selects instead of multiplying by the mask: the gradient of a product multiplies by the padding, and NaN times 0
    is NaN. Functions that compute with padding begin with this line.
    """
    return torch.where(real[:, :, None], values, 0)


def zero_on_padding(output, lengths, steps, left=False):  # (B, T, ...), (B,), T
    """Return an output of T steps that is 0 on padding, whatever it holds there, and if its last steps are missing."""
    if output.dim() < 2 or output.shape[:1] != lengths.shape or output.shape[1] > steps:
        return output  # of another shape than expected: the comparison reports it
    real = valid(lengths, steps, left)
    missing = output.new_zeros(output.shape[0], steps - output.shape[1], *output.shape[2:])
    whole = torch.cat([output, missing], 1) if missing.shape[1] else output
    return torch.where(real.reshape(*real.shape, *[1] * (output.dim() - 2)), whole, output.new_zeros(()))


def rolled(values, shifts):  # (B, T, ...), (B,) -> (B, T, ...)
    """Move each row along time by its own shift; `torch.roll` has one for all."""
    rows, steps = (torch.arange(size, device=values.device) for size in values.shape[:2])
    return values[rows[:, None], (steps - shifts[:, None]) % values.shape[1]]


def constant(tensor):
    """Return a tensor that no gradient reaches; it shares its memory."""
    return tensor.detach()


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
    ``differentiates`` there are none. Writes of a function to its inputs appear in ``arrays``, so that they are
    detected. Mode is "eager", "compiled" or "exported", where the axes B and T of ``axes`` (of inputs, by name) stay
    open; ``watch`` surrounds all that runs of ``call``.
    """
    with settings(tf32):
        inputs, against = tensors(arrays, device), tensors(cotangents, device)
        function = compiled(call) if mode == "compiled" else call
        function = exported(call, inputs, axes) if mode == "exported" else function
        with watch():
            outputs, gradients = (differentiated if differentiates else undifferentiated)(function, inputs, against)
        if device != "cpu":  # on the CPU, tensors share memory with arrays
            for name, array in plain(inputs).items():
                arrays[name][...] = array
        sparse = tuple(name for name, gradient in gradients.items() if gradient.is_sparse)
        return plain(outputs), plain(gradients), sparse


def second(call, arrays, cotangents, directions, *, mode="eager", axes=None, device="cpu", tf32=False):
    """Return the gradient of ``Σ gradient · direction``, of all float inputs, as arrays: products with the Hessian."""
    with settings(tf32):
        inputs, along = tensors(arrays, device), tensors(directions, device)
        _, gradients = differentiated(call, inputs, tensors(cotangents, device), create_graph=True)
        floats = {name: inputs[name] for name in gradients}
        dense = {name: g.to_dense() if g.is_sparse else g for name, g in gradients.items()}
        total = sum((g * along[name]).sum() for name, g in dense.items())
        if not total.requires_grad:  # no gradient depends on any input
            return {name: torch.zeros_like(tensor).cpu().numpy() for name, tensor in floats.items()}
        found = torch.autograd.grad(total, list(floats.values()), allow_unused=True, materialize_grads=True)
        return plain(dict(zip(floats, found, strict=True)))


def resident(call, arrays, cotangents, *, mode="eager", axes=None, device="cpu"):
    """Return ``forward``, ``train``, ``wait`` and ``kernels`` on tensors that stay on their device."""
    with settings():
        inputs, against = tensors(arrays, device), tensors(cotangents, device)
    if device == "cuda":  # this is not put back: `settings` would be timed with each call
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if mode == "compiled":
        call = compiled(call)

    @torch.no_grad()
    def forward():
        return call(inputs)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def train():
        return differentiated(call, inputs, against)

    def kernels():
        """List the known kernels in the profile of a run."""
        with torch.profiler.profile() as profiler:
            train()
        ran = " ".join(event.key for event in profiler.key_averages())
        return [name for name, pattern in KERNELS.items() if pattern in ran] or ["native"]

    return forward, train, waiting(device), kernels


KERNELS = {
    "oneDNN": "mkldnn_rnn_layer",
    "cuDNN": "_cudnn_rnn",
    "cuDNN, persistent": "RNN_blockPersist",  # which keeps the weights of a layer on the chip for all steps
    "own loop": "RealSteps",
}


def device_memory(run):
    """Return the bytes of a GPU that a call adds at its peak."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def launches(run):
    """Return how many kernels a call launches on a GPU, copies and fills of memory left out; 0 on a CPU."""
    with torch.profiler.profile() as profiler:
        run()
    gpu = torch.autograd.DeviceType.CUDA
    events = [one for one in profiler.events() if one.device_type == gpu and not one.is_user_annotation]
    return sum(not one.name.startswith(("Memcpy", "Memset")) for one in events)


def compiled(call):
    """Compile ``call`` by `torch.compile`, once, and keep the result with it.

    Code that cannot be traced runs uncompiled; a function without any graph raises here.
    """
    if not hasattr(call, "compiled"):
        call.compiled = _compiled(call)
    return call.compiled


def _compiled(call):
    torch._dynamo.reset()  # dynamo stops compiling after eight recompilations
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    with quiet():
        faster = torch.compile(call)

    def checked(inputs):
        with quiet():
            outputs = faster(inputs)
        if graphs["unique_graphs"] == before:
            raise RuntimeError("torch.compile made no graph of it")
        return outputs

    return checked


def exported(call, inputs, axes):
    """Export ``call`` by `torch.export`, save and load it; keep the result with it, one for each set of open axes.

    It is traced with a batch of other sizes and lengths: the first row comes once more, and the last step.
    """
    given = {name: tensor.detach() for name, tensor in inputs.items()}
    open_axes = {
        name: [at for at, axis in enumerate(axes[name]) if axis in "BT" and tensor.shape[at] > 1]
        for name, tensor in given.items()
    }
    key = str([(name, tensor.dtype, open_axes[name]) for name, tensor in given.items()])
    programs = vars(call).setdefault("programs", {})
    if key not in programs:
        example = {name: _with_one_more(tensor, axes[name], open_axes[name]) for name, tensor in given.items()}
        programs[key] = _exported(call, example, open_axes)
    return programs[key]


def _with_one_more(tensor, axes, along):
    for axis in along:
        size = tensor.shape[axis]
        repeated = tensor.narrow(axis, 0 if axes[axis] == "B" else size - 1, 1)
        tensor = torch.cat([repeated, tensor] if axes[axis] == "B" else [tensor, repeated], axis)
    return tensor


def _exported(call, example, open_axes):
    class Exported(torch.nn.Module):
        def forward(self, inputs):
            return dict(only_tensors(call(inputs)))

    dynamic = {name: dict.fromkeys(along, torch.export.Dim.DYNAMIC) for name, along in open_axes.items()}
    file = io.BytesIO()
    with quiet(), redirect_stderr(io.StringIO()):  # it prints the graph of what it cannot export
        torch.export.save(torch.export.export(Exported(), (example,), dynamic_shapes=(dynamic,)), file)
        file.seek(0)
        return torch.export.load(file).module()


@contextmanager
def quiet():
    """Suppress the warnings of the compiler's tracer, and of what is a prototype."""
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch.fx", "torch.nested")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)


def square_product(side, device="cpu"):
    """Return a function that multiplies matrices, and one that waits: the peak rate."""
    generator = torch.Generator(device).manual_seed(0)  # the caller's random state stays as it is
    a, b = (torch.rand(side, side, generator=generator, device=device) for _ in "ab")
    return lambda: a @ b, waiting(device)


def waiting(device):
    """Return a function that waits for the device; on the CPU, calls are synchronous."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def plain(found):
    """Convert tensors by name to arrays by name."""
    dense = {name: tensor.to_dense() if tensor.is_sparse else tensor for name, tensor in found.items()}
    return {name: to_array(tensor.detach().cpu()) for name, tensor in dense.items()}


def tensors(arrays, device="cpu"):
    return {name: to_tensor(array).to(device) for name, array in arrays.items()}


def to_array(tensor):
    """Convert a tensor; bfloat16 is passed as bits, since PyTorch lacks the NumPy dtype."""
    return tensor.view(torch.uint16).numpy().view("bfloat16") if tensor.dtype == torch.bfloat16 else tensor.numpy()


def to_tensor(array):
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view("uint16")).view(torch.bfloat16)
    return torch.from_numpy(array)


def only_tensors(outputs):
    """Return what a function returned, if all of it is tensors: gradients reach nothing else."""
    for name, output in outputs.items():
        if not isinstance(output, torch.Tensor):
            raise TypeError(f"result {name}: got an object of type {type(output).__name__}, expected a tensor")
    return outputs


def undifferentiated(call, inputs, cotangents):
    """Return outputs by name, and no gradients."""
    return {name: output for name, output in only_tensors(call(inputs)).items() if name in cotangents}, {}


def differentiated(call, inputs, cotangents, create_graph=False):
    """Return outputs by name, and the gradient of every float input by name."""
    floats = {name: tensor.requires_grad_() for name, tensor in inputs.items() if tensor.is_floating_point()}
    outputs = {name: output for name, output in only_tensors(call(inputs)).items() if name in cotangents}
    reached = [name for name, output in outputs.items() if output.requires_grad]
    for name in reached:
        if outputs[name].shape != cotangents[name].shape:
            raise ValueError(f"{name} has shape {tuple(outputs[name].shape)}, expected {tuple(cotangents[name].shape)}")
    gradients = (
        torch.autograd.grad(
            [outputs[name] for name in reached],
            list(floats.values()),
            [cotangents[name] for name in reached],
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )
        if reached
        else [torch.zeros_like(tensor) for tensor in floats.values()]
    )
    return outputs, dict(zip(floats, gradients, strict=True))
