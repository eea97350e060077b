"""The batch that a model of a user's receives: tensors of its framework by name."""

from __future__ import annotations

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


class OutputError(InputError):
    """A model returned something that cannot be compared."""

    def __init__(self, received: object, argument: str = "outputs", expected: str = "") -> None:
        super().__init__(argument, shown(received), expected or "tensors: one, or a dict, a tuple or a list of them")
