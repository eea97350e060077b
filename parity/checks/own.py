"""A function of a user's, in place of a variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity import frameworks
from parity.caching import cached
from parity.cases.case import Case

PADDING_OUTPUTS = ("zero", "any")


@dataclass(frozen=True, eq=False)
class Own:
    """A function, bound to configurations, and what is asked of it.

    Attributes:
        calls: the function by configuration; no other configuration is tried.
        omits: outputs that it does not give.
        min_length: the least length of a sequence that it is given.
        padding_output: "zero", or "any" if outputs on padding are not compared.
        sizes: of axes, where its weights have sizes of their own.
    """

    calls: Mapping[str, frameworks.Call]
    omits: tuple[str, ...] = ()
    min_length: int = 0
    padding_output: str = "zero"
    sizes: tuple[tuple[str, int], ...] = ()

    def shortest(self, case: Case) -> int:
        """Return the least length to which sequences of a case may be cut: none becomes empty unless one is."""
        return max(self.min_length, int(case.lengths.all()))

    def given(self, case: Case) -> Case | None:
        """Return what it is given of a case; None if that has no sequence."""
        case = case.keeping(set(case.cotangents) - set(self.omits))
        return _long_enough(case, self.min_length) if self.min_length else case


@cached(maxsize=256)
def _long_enough(case: Case, least: int) -> Case | None:
    """Return the sequences of a case that are long enough: always the same object, since runs are kept by case."""
    rows = np.flatnonzero(case.lengths >= least)
    if not rows.size:
        return None
    return case if rows.size == len(case.lengths) else case.taken(rows)
