"""What every function of this framework needs: arrays to tensors, run, differentiate, tensors to arrays."""

import logging
import warnings
from functools import cache

import torch

VERSION = f"torch {torch.__version__}"


def environment(device="cpu"):
    """What the numbers depend on."""
    return {
        "torch": str(torch.__version__),  # a class of its own, which not every serialiser knows
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
    }


def has_cuda():
    return torch.cuda.is_available()


def allow_tf32(allowed):
    """Whether a GPU may round the factors of float32 products: one policy for products and for cuDNN."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def clear_graphs():
    """Drop what was compiled."""
    if compiled.cache_info().currsize:  # else the compiler was never loaded, which takes seconds
        compiled.cache_clear()
        torch._dynamo.reset()


def valid(lengths, steps):  # (B,), T -> (B, T)
    """True on real steps, False on padding."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def only_real(real, values):  # (B, T), (B, T, D)
    """The values on real steps, 0 on padding.

    A choice, not a product with the mask: the gradient of a product multiplies by the padding, and NaN times 0 is
    NaN. So functions that compute with padding begin with this line.
    """
    return torch.where(real[:, :, None], values, 0)


def pick(variants, variant):
    """``variant``, or what stands under it in a dict, if it is one of ``variants``."""
    if variant not in variants:
        raise ValueError(f"variant: got {variant!r}, expected one of: {', '.join(variants)}")
    return variants[variant] if isinstance(variants, dict) else variant


def run(call, arrays, cotangents, *, mode="eager", axes=None, device="cpu"):
    """Outputs and gradients of ``call`` as arrays, and the names of the gradients that came sparse.

    The gradient of every float input is taken against ``cotangents``, one for each output that counts. What a
    function writes to its inputs stands in ``arrays`` afterwards, so that it is found out. Mode is "eager" or
    "compiled"; ``axes`` matters to TensorFlow, where a graph leaves some of them open.
    """
    function = compiled(call) if mode == "compiled" else call
    inputs = tensors(arrays, device)
    outputs, gradients = differentiated(function, inputs, tensors(cotangents, device))
    if device != "cpu":  # on the CPU, tensors share memory with arrays
        for name, array in plain(inputs).items():
            arrays[name][...] = array
    sparse = tuple(name for name, gradient in gradients.items() if gradient.is_sparse)
    return plain(outputs), plain(gradients), sparse


def resident(call, arrays, cotangents, *, mode="eager", axes=None, device="cpu"):
    """``forward``, ``train``, ``wait`` and ``kernels`` on tensors that stay on their device: for a benchmark."""
    inputs, against = tensors(arrays, device), tensors(cotangents, device)
    if mode == "compiled":
        call = compiled(call)

    @torch.no_grad()
    def forward():
        return call(inputs)

    def train():
        return differentiated(call, inputs, against)

    def kernels():
        """Which of the known kernels a run used, from the profiler's names of what ran."""
        with torch.profiler.profile() as profiler:
            train()
        ran = " ".join(event.key for event in profiler.key_averages())
        return [name for name, pattern in KERNELS.items() if pattern in ran] or ["native"]

    return forward, train, waiting(device), kernels


KERNELS = {"oneDNN": "mkldnn_rnn_layer", "cuDNN": "_cudnn_rnn", "own loop": "RealSteps"}


@cache
def compiled(call):
    """``call`` through `torch.compile`, whose tracer warns of much that it looks at and that is not ours.

    What it cannot trace it runs as it is; a function of which it makes no graph at all is refused here.
    """
    torch._logging.set_logs(dynamo=logging.ERROR)
    torch._dynamo.reset()  # it counts recompilations, and after eight it gives up
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        faster = torch.compile(call)

    def quiet(inputs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = faster(inputs)
        if graphs["unique_graphs"] == before:
            raise RuntimeError("torch.compile made no graph of it")
        return outputs

    return quiet


def square_product(side, device="cpu"):
    """A product of two matrices, and a wait for it: the peak that everything else is measured against."""
    a, b = torch.rand(side, side, device=device), torch.rand(side, side, device=device)
    return lambda: a @ b, waiting(device)


def waiting(device):
    """What returns when the device has done all its work; on the CPU, every call has."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def plain(found):
    """Tensors by name as arrays by name."""
    dense = {name: tensor.to_dense() if tensor.is_sparse else tensor for name, tensor in found.items()}
    return {name: to_array(tensor.detach().cpu()) for name, tensor in dense.items()}


def tensors(arrays, device="cpu"):
    return {name: to_tensor(array).to(device) for name, array in arrays.items()}


def to_array(tensor):
    """NumPy knows bfloat16 by name once ml_dtypes is imported, and PyTorch does not know that; bits are bits."""
    return tensor.view(torch.uint16).numpy().view("bfloat16") if tensor.dtype == torch.bfloat16 else tensor.numpy()


def to_tensor(array):
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view("uint16")).view(torch.bfloat16)
    return torch.from_numpy(array)


def differentiated(call, inputs, cotangents):
    """Outputs by name, and the gradient of every float input by name."""
    floats = {name: tensor.requires_grad_() for name, tensor in inputs.items() if tensor.is_floating_point()}
    outputs = {name: output for name, output in call(inputs).items() if name in cotangents}
    reached = [name for name, output in outputs.items() if output.requires_grad]
    for name in reached:
        if outputs[name].shape != cotangents[name].shape:
            raise ValueError(f"{name} has shape {tuple(outputs[name].shape)}, expected {tuple(cotangents[name].shape)}")
    gradients = (
        torch.autograd.grad(
            [outputs[name] for name in reached],
            list(floats.values()),
            [cotangents[name] for name in reached],
            allow_unused=True,
            materialize_grads=True,
        )
        if reached
        else [torch.zeros_like(tensor) for tensor in floats.values()]
    )
    return outputs, dict(zip(floats, gradients, strict=True))
