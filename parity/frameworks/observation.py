"""Hold what one variant observed on one case: outputs, gradients and provenance, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import BFLOAT16, Array
from parity.errors import choose, of_kind, plain_array


@dataclass(frozen=True, eq=False)
class Observation:
    """Outputs and gradients of one run.

    Attributes:
        quantities: outputs by name, and gradients by ``d_`` and the name of the input.
        provenance: its origin: operation, case, framework, variant, mode, versions.

    Raises:
        InputError: quantities that are not arrays of numbers by name, or a provenance that is not text.

    >>> observation = Observation({"y": np.ones(2)}, {"framework": "pytorch"})
    >>> observation["y"]
    array([1., 1.])
    """

    quantities: Mapping[str, Array]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mapping: Any = Mapping
        for name, array in of_kind("quantities", self.quantities, mapping, "arrays by name").items():
            of_kind("quantities", name, str, "names that are text")
            plain_array(f"quantity {name!r}", array)
        for name, text in of_kind("provenance", self.provenance, mapping, "text by name").items():
            of_kind("provenance", name, str, "text by name")
            of_kind("provenance", text, str, "text by name")

    def __getitem__(self, quantity: str) -> Array:
        return self.quantities[choose("quantity", quantity, self.quantities)]


_BITS = ".bfloat16"


def plain(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Replace bfloat16, which an ``.npz`` cannot hold, with its bits and mark the name.

    >>> {name: array.dtype.name for name, array in plain({"y": np.zeros(2, BFLOAT16), "h": np.zeros(2)}).items()}
    {'y.bfloat16': 'uint16', 'h': 'float64'}
    """
    replaced: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.dtype == BFLOAT16:
            replaced[f"{name}{_BITS}"] = array.view(np.uint16)
        else:
            replaced[name] = array
    return replaced


def restored(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Restore the arrays that `plain` replaced.

    Raises:
        TypeError: what should be bits are other numbers.
    """
    original: dict[str, Array] = {}
    for name, array in arrays.items():
        if name.endswith(_BITS):
            bits = array.astype(np.uint16, casting="equiv", copy=False)  # in any byte order
            original[name.removesuffix(_BITS)] = bits.view(BFLOAT16)
        else:
            original[name] = array
    return original
