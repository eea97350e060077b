"""Let a function of a batch stand for a model without weights."""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from typing import Any

from parity.errors import InputError
from parity.models.sides import framework_of, made

BASES = {"pytorch": ("torch.nn", "Module", "forward"), "tensorflow": ("keras.layers", "Layer", "call")}
EXPECTED = "a model, or a function that uses torch, tensorflow or keras by name"


def as_model(name: str, model: Any) -> Any:
    """Return a module or a layer that computes a function of a batch; anything else as it is.

    Args:
        name: "left" or "right".
        model: what a user gave.

    Raises:
        InputError: a function of no framework, or one with a module of its own.
    """
    if not (inspect.isroutine(model) or isinstance(model, partial)):
        return model
    other = made(model)
    if other is not model:
        return model  # a factory, which a copy may need
    try:
        package, base, method = BASES[framework_of(model)]
    except InputError as error:
        raise InputError(name, error.args[1], EXPECTED) from None
    kind: Any = getattr(import_module(package), base)
    title = getattr(model, "__name__", "function")
    return type(title.strip("<>"), (kind,), {method: staticmethod(model)})()
