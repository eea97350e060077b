"""Gather what is found about a model, seed by seed, and conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced

import numpy as np
from msgspec.structs import replace

from parity.checks.blame import Blame, LayerMask
from parity.checks.comparison import Difference, to_results
from parity.checks.result import FAILED, XFAILED, Result
from parity.checks.verdict import Verdict
from parity.models.contracts import CONTRACTS

NO_ARRAYS = (np.zeros(0), np.zeros(0), None)  # in place of a gradient's, of which there would be one a contract
ROUNDING = ("element", "norm", "exact")  # what a unit on the edge of a kink can cause too


@dataclass
class Findings:
    """The differences of all contracts, dtypes and seeds; ``wide`` is the widest dtype in which a model computes."""

    name: str
    framework: str
    notes: list[str]
    differences: dict[tuple[str, str], dict[int, list[Difference]]] = field(default_factory=dict)
    declined: dict[str, str] = field(default_factory=dict)
    blames: dict[str, Blame | None] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    masks: tuple[LayerMask, ...] = ()
    error: Result | None = None
    wide: str = "float64"

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def add(self, contract: str, dtype: str, seed: int, differences: Sequence[Difference]) -> bool:
        """Keep differences; return whether one of them is a failure."""
        light = [replaced(one, sides=one.sides and NO_ARRAYS) for one in differences]
        self.differences.setdefault((contract, dtype), {}).setdefault(seed, []).extend(light)
        return any(one.failed for one in differences)

    def is_settled(self, contract: str) -> bool:
        """Tell whether a contract needs no more seeds: it does not apply, or is broken in the widest dtype."""
        if contract in self.declined:
            return True
        return any(_fails(each) for each in self.differences.get((contract, self.wide), {}).values())

    def verdict(self, expected: Mapping[str, str]) -> Verdict:
        """Conclude. Failures that are expected count as such; one that does not occur is a failure."""
        if self.error is not None:
            return Verdict(name=self.name, framework=self.framework, results=(self.error,), notes=tuple(self.notes))
        results = [
            _expecting(result, expected)
            for key, by_seed in self.differences.items()
            for result in self._of(*key, by_seed)
        ]
        failed = {result.contract for result in results if result.status == FAILED}
        blames = {contract: blame for contract, blame in self.blames.items() if blame and contract in failed}
        return Verdict(
            name=self.name,
            framework=self.framework,
            results=tuple(results),
            declined=self.declined,
            blames=blames,
            otherwise={name: contract.otherwise for name, contract in CONTRACTS.items()},
            axes=self.axes,
            masks=self.masks,
            notes=tuple(self.notes),
        )

    def not_run(self, reason: str, dtype: str) -> None:
        """Conclude that a model cannot be run: nothing else counts."""
        result = self._result("repeatable", dtype, 0)
        self.error = replace(result, status=FAILED, problem="raised", detail=reason)

    def _of(self, contract: str, dtype: str, by_seed: Mapping[int, list[Difference]]) -> list[Result]:
        """Return the results of a contract in a dtype: of each quantity, the worst of all seeds.

        In a narrow dtype alone, a unit may be on the other side of a kink, such as that of a ReLU at 0, for a rounding
        less. That does not happen for every sample; a fault of the dtype does.
        """
        failing = [seed for seed, differences in by_seed.items() if _fails(differences)]
        kinks = dtype != self.wide and 0 < len(failing) < len(by_seed)
        if kinks and all(one.problem in ("", *ROUNDING) for seed in failing for one in by_seed[seed]):
            by_seed = {seed: differences for seed, differences in by_seed.items() if seed not in failing}
        worst: dict[str, tuple[Difference, int]] = {}
        for seed, differences in by_seed.items():
            for one in differences:
                if one.quantity not in worst or _rank(one) > _rank(worst[one.quantity][0]):
                    worst[one.quantity] = one, seed
        seed = max(worst.values(), key=lambda pair: _rank(pair[0]))[1]
        return to_results(self._result(contract, dtype, seed), [one for one, _ in worst.values()])

    def _result(self, contract: str, dtype: str, seed: int) -> Result:
        return Result(
            operation=self.name,
            framework=self.framework,
            variant="",
            mode="eager",
            dtype=dtype,
            case="",
            seed=seed,
            contract=contract,
            status="passed",
        )


def _fails(differences: Sequence[Difference]) -> bool:
    return any(one.failed for one in differences)


def _rank(one: Difference) -> tuple[bool, float]:
    return one.failed, one.share


def _expecting(result: Result, expected: Mapping[str, str]) -> Result:
    if result.contract not in expected:
        return result
    reason = expected[result.contract]
    if result.status == FAILED:
        return replace(result, status=XFAILED, detail=f"expected to fail: {reason}")
    return replace(result, status=FAILED, problem="other", detail=f"holds, but was expected to fail: {reason}")
