"""What every function of this wing needs: arrays to tensors, run, differentiate, tensors to arrays."""

import torch

VERSION = f"torch {torch.__version__}"


def environment():
    """What the numbers depend on."""
    return {
        "torch": str(torch.__version__),  # a class of its own, which not every serialiser knows
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
    }


def forget():
    """Drop what was traced: nothing, in eager mode."""


def valid(lengths, steps):  # (B,), T -> (B, T)
    """True on real steps, False on padding."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def pick(variants, variant):
    """``variant``, or what stands under it in a dict, if it is one of ``variants``."""
    if variant not in variants:
        raise ValueError(f"variant: got {variant!r}, expected one of: {', '.join(variants)}")
    return variants[variant] if isinstance(variants, dict) else variant


def run(call, arrays, cotangents, *, mode="eager", axes=None):
    """Outputs and gradients of ``call`` as arrays, and the names of the gradients that came sparse.

    The gradient of every float input is taken against ``cotangents``, one for each output that counts. Tensors
    share memory with ``arrays``, so that a function that writes to its inputs is found out.
    """
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    floats = {name: tensor.requires_grad_() for name, tensor in tensors.items() if tensor.is_floating_point()}
    outputs = {name: output for name, output in call(tensors).items() if name in cotangents}
    reached = [name for name, output in outputs.items() if output.requires_grad]
    gradients = (
        torch.autograd.grad(
            [outputs[name] for name in reached],
            list(floats.values()),
            [torch.from_numpy(cotangents[name]) for name in reached],
            allow_unused=True,
            materialize_grads=True,
        )
        if reached
        else [torch.zeros_like(tensor) for tensor in floats.values()]
    )
    gradients = dict(zip(floats, gradients, strict=True))
    return (
        {name: output.detach().numpy() for name, output in outputs.items()},
        {name: (g.to_dense() if g.is_sparse else g).numpy() for name, g in gradients.items()},
        tuple(name for name, g in gradients.items() if g.is_sparse),
    )
