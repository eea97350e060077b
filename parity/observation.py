"""What one variant did with one case: named outputs, named gradients, provenance. Plain arrays, no framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from parity.batch import Array
from parity.dtypes import BFLOAT16
from parity.errors import InputError, plain_array


@dataclass(frozen=True, eq=False)
class Observation:
    """Outputs and gradients of one run.

    Attributes:
        quantities: outputs by name, and gradients by ``d_`` and the name of the input.
        provenance: what made it: operation, case, wing, variant, mode, versions.

    >>> seen = Observation({"y": np.ones(2)}, {"wing": "pytorch"})
    >>> seen["y"]
    array([1., 1.])
    """

    quantities: Mapping[str, Array]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, quantity: str) -> Array:
        return self.quantities[quantity]

    def save(self, path: str | Path) -> Path:
        """Write an ``.npz`` without pickles, so that another environment can read it.

        Raises:
            InputError: the file cannot be written.
        """
        for name, array in self.quantities.items():
            plain_array(name, array)
        path = Path(path)
        note = np.frombuffer(json.dumps(dict(self.provenance)).encode(), np.uint8)
        try:
            with path.open("wb") as file:
                np.savez_compressed(file, **{_NOTE: note}, **plain(self.quantities))  # type: ignore[arg-type]
        except OSError as error:
            raise InputError("path", repr(str(path)), f"a file that can be written ({error.strerror})") from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> Observation:
        """Read what `save` wrote.

        Raises:
            InputError: no such file, or not an observation.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = restored(archive)
            provenance = json.loads(arrays.pop(_NOTE).tobytes())
        except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile) as error:
            raise InputError("path", repr(str(path)), f"an observation saved by parity ({error})") from error
        return cls(arrays, provenance)


_NOTE = "__provenance__"
_BITS = ".bfloat16"


def plain(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays as an ``.npz`` can hold them: it has no bfloat16, so those become their bits, under a name that says so.

    >>> {name: array.dtype.name for name, array in plain({"y": np.zeros(2, BFLOAT16), "h": np.zeros(2)}).items()}
    {'y.bfloat16': 'uint16', 'h': 'float64'}
    """
    narrow = {name for name, array in arrays.items() if array.dtype == BFLOAT16}
    return {f"{n}{_BITS}" if n in narrow else n: a.view(np.uint16) if n in narrow else a for n, a in arrays.items()}


def restored(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What `plain` was given."""
    return {
        name.removesuffix(_BITS): array.view(BFLOAT16) if name.endswith(_BITS) else array
        for name, array in arrays.items()
    }
