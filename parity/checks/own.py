"""A function of a user's, in place of a variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import frameworks
from parity.caching import cached
from parity.cases.case import Case
from parity.cases.lengths import DESIGNED
from parity.operations import Configuration

PADDING_OUTPUTS = ("zero", "any")
SIDES = ("right", "left")
FINITE = (-2.0, 0.5, 3.0)  # what stands on padding in place of NaN
REFUSES = "refuses empty sequences, as expected"  # these two begin the detail of a result
HOLDS = "holds, but was expected to fail"


def has_empty(case: Case) -> bool:
    """Tell whether a case has an empty sequence, or none at all."""
    return not len(case.lengths) or not case.lengths.all()


@dataclass(frozen=True, eq=False)
class Like:
    """A function that gives what is expected, in place of the reference.

    Attributes:
        name, framework: of the function.
        calls: the function by configuration.
    """

    name: str
    framework: str
    calls: Mapping[str, frameworks.Call]


@dataclass(frozen=True, eq=False)
class Own:
    """A function, bound to configurations, and what is asked of it.

    Attributes:
        calls: the function by configuration; no other configuration is tried.
        omits: outputs that it does not give.
        min_length: the least length of a sequence that it is given.
        padding_output: "zero", or "any" if outputs on padding are not compared.
        sizes: of axes, where its weights have sizes of their own.
        side: "left" if it takes padding before each sequence.
        gradients: whether it has a backward pass.
        refuses_empty: whether it may raise where a batch has an empty sequence, or none.
        like: the function that gives what is expected; None for the reference.
    """

    calls: Mapping[str, frameworks.Call]
    omits: tuple[str, ...] = ()
    min_length: int = 0
    padding_output: str = "zero"
    sizes: tuple[tuple[str, int], ...] = ()
    side: str = SIDES[0]
    gradients: bool = True
    refuses_empty: bool = False
    like: Like | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return the arguments of `parity.check_function` that it was made with, where they are not the defaults."""
        given: dict[str, tuple[Any, Any]] = {
            "omits": (list(self.omits), []),
            "min_length": (self.min_length, 0),
            "padding_output": (self.padding_output, PADDING_OUTPUTS[0]),
            "side": (self.side, SIDES[0]),
            "gradients": (self.gradients, True),
            "refuses_empty": (self.refuses_empty, False),
        }
        return {name: value for name, (value, default) in given.items() if value != default}

    def is_moved(self, config: Configuration) -> bool:
        """Tell whether the padding of a configuration is moved to the left."""
        return self.side == "left" and not config.left

    def shortest(self, case: Case) -> int:
        """Return the least length to which sequences of a case may be cut: none becomes empty unless one is."""
        return max(self.min_length, int(case.lengths.all()))

    def given(self, case: Case) -> Case | None:
        """Return what it is given of a case; None if that has no sequence."""
        case = case.keeping(set(case.cotangents) - set(self.omits))
        case = case if self.gradients else case.forward_only()
        if case.lengths_name in DESIGNED and DESIGNED[case.lengths_name].fill is not None:
            case = _with_finite_padding(case)
        return _long_enough(case, self.min_length) if self.min_length else case

    def without_empty(self, case: Case) -> Case | None:
        """Return what is left of a case without its empty sequences; None if nothing is."""
        return _long_enough(case, max(1, self.min_length))


@cached(maxsize=256)
def _with_finite_padding(case: Case) -> Case:
    """Return the case with numbers on its padding, where it has NaN: `ignores_padding` is the contract about those."""
    return case.refilled(case.seed, FINITE, ids=False)


@cached(maxsize=256)
def _long_enough(case: Case, least: int) -> Case | None:
    """Return the sequences of a case that are long enough: always the same object, since runs are kept by case."""
    rows = np.flatnonzero(case.lengths >= least)
    if not rows.size:
        return None
    return case if rows.size == len(case.lengths) else case.taken(rows)
