"""Copy a module of PyTorch, so that its copies can run in other dtypes."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from parity.errors import first_lines, message_of
from parity.models.native import NotCopied


def copied(module: Any, factory: Callable[[], Any] | None = None) -> Any:
    """Return a copy that shares nothing with a module.

    Args:
        module: never changed.
        factory: makes another one, if `copy.deepcopy` does not copy it.

    Raises:
        NotCopied: neither works.
    """
    try:
        found = copy.deepcopy(module, replacements(module))
        why = "its copies share its parameters" if shares(found, module) else ""
    except Exception as error:  # whatever a `__deepcopy__` of a user's raises
        why = first_lines(message_of(error))
    if not why:
        return found
    if factory is None:
        raise NotCopied(why)
    other = factory()
    if not isinstance(other, torch.nn.Module) or shares(other, module):
        raise NotCopied(f"{why}; and the function that makes it returns the same one")
    transfer(module, other)
    return other


def replacements(module: Any) -> dict[int, Any]:
    """Return copies of all that `copy.deepcopy` refuses or copies wrongly, by their ids.

    It refuses results of operations that a module keeps: a cached activation, or the weight that
    `torch.nn.utils.weight_norm` computes. Gradients of a copied TorchScript module keep their first dtype.
    """
    found = {}
    for layer in module.modules():
        if isinstance(layer, torch.jit.ScriptModule):
            found[id(layer)] = reloaded(layer)
        for tensor in tree_leaves(list(vars(layer).values())):
            if isinstance(tensor, torch.Tensor) and tensor.grad_fn is not None:
                found[id(tensor)] = tensor.detach().clone()
    return found


def reloaded(script: Any) -> Any:
    """Return a copy of a TorchScript module."""
    saved = io.BytesIO()
    torch.jit.save(script, saved)
    saved.seek(0)
    return torch.jit.load(saved)


def shares(one: Any, other: Any) -> bool:
    """Tell whether two modules are the same, or have a parameter or buffer in common."""
    theirs = {id(tensor) for tensor in (*other.parameters(), *other.buffers())}
    return one is other or any(id(tensor) in theirs for tensor in (*one.parameters(), *one.buffers()))


def transfer(source: Any, target: Any) -> None:
    """Give a module the numbers of another one of the same kind."""
    pairs = [
        (dict(getattr(source, kind)()), dict(getattr(target, kind)())) for kind in ("named_parameters", "named_buffers")
    ]
    if any(ours.keys() != theirs.keys() for ours, theirs in pairs):
        raise NotCopied("the function that makes it returns one with other parameters")
    with torch.no_grad():
        for ours, theirs in pairs:
            for name, tensor in ours.items():
                theirs[name].copy_(tensor)
