"""Let gradients pass through a module where they are stopped, and train what is frozen."""

import contextlib
from unittest import mock

import torch

from parity.pairs.pytorch_computed import parameters_of
from parity.pairs.pytorch_random import paths
from parity.pairs.randomness import caller


@contextlib.contextmanager
def thawed(side, names):
    """Let parameters have gradients until the context ends, also those that a weight is computed from."""
    own = dict(side.model.named_parameters())
    wanted = [p for name in names for p in ([own[name]] if name in own else inside(side.model, name))]
    frozen = [parameter for parameter in wanted if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    side.copies.clear()
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
        side.copies.clear()


def inside(model, name):
    """Return the parameters that a weight is computed from."""
    path, _, local = name.rpartition(".")
    return [parameter for _, parameter in parameters_of(model.get_submodule(path), local)]


@contextlib.contextmanager
def passing(side, found):
    """Let `detach` and `no_grad` in a module's methods do nothing until the context ends, and note their callers."""
    detach, enter = torch.Tensor.detach, torch.no_grad.__enter__

    def detached(tensor):
        layer = caller(paths(side)) if tensor.requires_grad and torch.is_grad_enabled() else None
        if layer is None:
            return detach(tensor)
        found.append(("detach", layer))
        return tensor

    def entered(context):
        layer = caller(paths(side)) if torch.is_grad_enabled() else None
        if layer is None:
            return enter(context)
        found.append(("no_grad", layer))
        context.prev = True
        return None

    with mock.patch.object(torch.Tensor, "detach", detached), mock.patch.object(torch.no_grad, "__enter__", entered):
        yield
