"""Take the arguments that a user gives as an example for a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.models.sequences import Inputs, LengthsSpec

Batch = Mapping[str, Array]


def example(arguments: Any, call: Callable[..., Any] | None) -> tuple[Inputs, tuple[Batch, Batch], Callable[..., Any]]:
    """Take the arguments of one model for its batch."""
    arrays: dict[str, Array] = {}
    structure = _taken_apart(arguments, arrays)
    return Inputs({}, LengthsSpec()), (arrays, arrays), call or _Example(structure)


def _taken_apart(arguments: Any, arrays: dict[str, Array]) -> Any:
    """Put arrays and tensors into a dictionary, and return a structure with their names in their places."""
    if isinstance(arguments, Mapping):
        return {key: _taken_apart(value, arrays) for key, value in arguments.items()}
    if isinstance(arguments, tuple | list):
        return type(arguments)(_taken_apart(value, arrays) for value in arguments)
    if hasattr(arguments, "__array__") or hasattr(arguments, "detach"):
        tensor = arguments.detach().cpu() if hasattr(arguments, "detach") else arguments
        name = _Name(f"argument{len(arrays)}")
        arrays[name] = np.asarray(tensor)
        return name
    return arguments


class _Name(str):
    """The name of an array that was an argument."""


@dataclass(frozen=True)
class _Example:
    """Calls a model with arguments that were given as an example."""

    structure: Any

    def __call__(self, model: Any, batch: Mapping[str, Any]) -> Any:
        arguments = _put_together(self.structure, batch)
        return model(*arguments) if isinstance(arguments, tuple) else model(arguments)


def _put_together(structure: Any, batch: Mapping[str, Any]) -> Any:
    if isinstance(structure, _Name):
        return batch[structure]
    if isinstance(structure, Mapping):
        return {key: _put_together(value, batch) for key, value in structure.items()}
    if isinstance(structure, tuple | list):
        return type(structure)(_put_together(value, batch) for value in structure)
    return structure
