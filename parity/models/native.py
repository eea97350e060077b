"""The batch that a model of a user's receives: tensors of its framework by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from parity.errors import InputError, shown


class NativeBatch(Mapping[str, Any]):
    """Tensors by name, as attributes or items. It notes which of them are read."""

    def __init__(self, tensors: Mapping[str, Any], read: set[str]) -> None:
        self._tensors, self._read = tensors, read

    def changed(self, is_changed: Callable[[str, Any], bool]) -> tuple[str, ...]:
        """Return the names of the tensors for which a function is true; that counts as no reading."""
        return tuple(name for name, tensor in self._tensors.items() if is_changed(name, tensor))

    def exchanged(self, one: str, other: str) -> NativeBatch:
        """Return it with two tensors exchanged."""
        return NativeBatch({**self._tensors, one: self._tensors[other], other: self._tensors[one]}, self._read)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._tensors:
            raise AttributeError(f"a batch has no {name!r}; it has {', '.join(self._tensors)}")
        return self[name]

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def flatten(output: object, leaf: Callable[[Any], Any], name: str = "") -> dict[str, Any]:
    """Return the tensors of an output by name; those that are nested have dots in their names.

    Args:
        output: a tensor, or mappings, dataclasses, tuples and lists of them; anything else counts as empty.
        leaf: returns what is a tensor of the framework as a plain one, and None for all else.
        name: of the output.

    >>> flatten({"y": 1, "states": (2, 3), "cache": None}, lambda value: value if isinstance(value, int) else None)
    {'y': 1, 'states.0': 2, 'states.1': 3}
    """
    tensor = leaf(output)
    if tensor is not None:
        return {name or "output": tensor}
    if isinstance(output, Mapping):
        pairs = [(str(key), value) for key, value in output.items()]
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        pairs = [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        pairs = list(zip(output._fields, output, strict=True))
    elif isinstance(output, tuple | list):
        pairs = [(str(at), value) for at, value in enumerate(output)]
        name = name or "output"
    else:
        return {}
    named = ((f"{name}.{key}" if name else key, value) for key, value in pairs)
    return {key: tensor for inner, value in named for key, tensor in flatten(value, leaf, inner).items()}


class NotCompiled(Exception):
    """Nothing of a model was compiled; the message says why."""


class NotCopied(InputError):
    """A model cannot be copied, so that it cannot run in other dtypes without being changed."""

    def __init__(self, why: str) -> None:
        received = f"a module that cannot be copied ({why})"
        super().__init__(
            "model", received, "one that copy.deepcopy copies, or a function without arguments that makes it"
        )


class OutputError(InputError):
    """A model returned something that cannot be compared."""

    def __init__(self, received: object, argument: str = "outputs", expected: str = "") -> None:
        super().__init__(argument, shown(received), expected or "tensors: one, or a dict, a tuple or a list of them")
