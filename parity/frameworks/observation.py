"""What one variant did with one case: named outputs, named gradients, provenance. Plain arrays, no framework."""

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
        provenance: what made it: operation, case, framework, variant, mode, versions.

    Raises:
        InputError: not arrays of numbers by name, or a provenance that is not text.

    >>> seen = Observation({"y": np.ones(2)}, {"framework": "pytorch"})
    >>> seen["y"]
    array([1., 1.])
    """

    quantities: Mapping[str, Array]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mapping: Any = Mapping
        quantities = of_kind("quantities", self.quantities, mapping, "arrays by name")
        for name, array in quantities.items():
            of_kind("quantities", name, str, "names that are text")
            plain_array(f"quantity {name!r}", array)
        words = of_kind("provenance", self.provenance, mapping, "text by name")
        for word in (*words, *words.values()):
            of_kind("provenance", word, str, "text by name")

    def __getitem__(self, quantity: str) -> Array:
        return self.quantities[choose("quantity", quantity, self.quantities)]


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
