"""Find the mutants that give the results of a function: a mistake that people make has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from parity import frameworks
from parity.arrays import Array
from parity.caching import cached
from parity.cases.case import Case, along
from parity.checks.comparison import compare
from parity.checks.contracts import CONTRACTS
from parity.checks.noise import rounding_of
from parity.checks.own import SIDES
from parity.checks.subject import Subject
from parity.errors import INTERRUPTS
from parity.functions.binding import bound
from parity.functions.evidence import Evidence
from parity.mutants import MUTANTS, Mutant
from parity.mutants.mutant import mutated_function
from parity.operations import find

MOST_RUNS = 6  # that a mutant has to reproduce
SHOWN = 3
CLEAR = 10.0  # times over its limit: what is hardly over it is near too many other results
EXACT, PLAIN = "it gives the results of", "on real steps, with 0 as padding, it gives the results of"

Outputs = Mapping[str, Any]
_mutated = cached(maxsize=128)(mutated_function)


@dataclass(frozen=True, eq=False)
class Signature:
    """The results of a function on a case, which a mutant has to give too.

    Attributes:
        plain: whether it counts on real steps only.
        is_wrong: whether it is known to differ from the reference, as a mutant then has to.
    """

    run: Evidence
    case: Case
    plain: bool
    is_wrong: bool = False

    def quantities(self, subject: Subject) -> dict[str, Array]:
        """Return what a subject gives on the case."""
        return self._counted(subject.observe_again(self.case).quantities)

    def expected(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the reference and its noise floor."""
        reference = self.run.subject.floor(self.case)
        return self._counted(reference.expected), self._counted(reference.floor)

    def _counted(self, quantities: Mapping[str, Array]) -> dict[str, Array]:
        if not self.plain:
            return dict(quantities)
        return {name: self._on_real_steps(name, array) for name, array in quantities.items()}

    def _on_real_steps(self, name: str, array: Array) -> Array:
        real = self.case.axes[name].startswith("BT") and array.shape[:2] == self.case.mask.shape
        return np.where(along(self.case.mask, array), array, np.zeros((), array.dtype)) if real else array


Observed = tuple[Signature, dict[str, Array]]


def mutants_like(failures: Sequence[Evidence]) -> dict[str, str]:
    """Return, for each contract that such mutants break too, which ones give what a function gives.

    Each has to agree within the noise floor, in outputs and gradients, on the transformed cases of all contracts and on
    new samples; or else on real steps of the same without empty sequences and with 0 as padding, since a function may
    make more than one mistake with padding. Mutants of the other framework are tried if none of its own agrees.
    """
    runs = _chosen(failures)
    if not runs:
        return {}
    plain, exact = _observed(_plain(runs)), _observed(_exact(runs))
    for framework in sorted(frameworks.FRAMEWORKS, key=lambda name: name != runs[0].subject.framework):
        near = _reproducing(_mutants(runs[0].check.operation, framework), plain)
        alike = _reproducing(near, exact)
        if broken := [run.result.contract for run in runs if alike and _breaks(alike[0], run)]:
            return dict.fromkeys(broken, f"{EXACT} {_names(alike)}")
        if plain and near:
            return dict.fromkeys((run.result.contract for run in runs), f"{PLAIN} {_names(near)}")
    return {}


def _mutants(operation: str, framework: str) -> list[Mutant]:
    """Return the mutants of an operation in a framework, if it can be loaded."""
    if frameworks.missing(framework):
        return []
    mutants = (one for one in MUTANTS.values() if one.operation == operation and one.framework == framework)
    return [one for one in mutants if not one.optimiser]


def _reproducing(mutants: Sequence[Mutant], observed: Sequence[Observed]) -> list[Mutant]:
    return [one for one in mutants if _reproduces(one, observed)]


def _observed(signatures: Sequence[Signature]) -> list[Observed]:
    return [(one, one.quantities(one.run.subject)) for one in signatures]


def _exact(runs: Sequence[Evidence]) -> list[Signature]:
    cases = ((run, case) for run in runs for case in (*run.transformed(), run.fresh()))
    return [Signature(run, case, plain=False) for run, case in cases if case is not None]


def _plain(runs: Sequence[Evidence]) -> list[Signature]:
    """Return plain cases, if the function differs from the reference on each of those that failed."""
    signatures = []
    for run in {run.case: run for run in runs}.values():
        for case in (run.case, run.fresh()):
            plain = run.plain(case) if case is not None else None
            if plain is None:
                continue
            signature = Signature(run, plain, plain=True, is_wrong=case is run.case)
            if signature.is_wrong and not _differ(signature.quantities(run.subject), *signature.expected()):
                return []
            signatures.append(signature)
    return signatures


def _chosen(failures: Sequence[Evidence]) -> list[Evidence]:
    """Return the first clear failure of each contract, and of each other configuration."""
    failures = [failure for failure in failures if failure.result.severity[0] >= CLEAR]
    first = {failure.result.contract: failure for failure in reversed(failures)}
    chosen = [failure for failure in failures if first[failure.result.contract] is failure]
    others = {failure.case.config: failure for failure in reversed(failures)}
    configs = {failure.case.config for failure in chosen}
    return [*chosen, *(failure for config, failure in others.items() if config not in configs)][:MOST_RUNS]


def _names(mutants: Sequence[Mutant]) -> str:
    names = ", ".join(f"`{mutant.name}`" for mutant in mutants[:SHOWN])
    more = f" and {len(mutants) - SHOWN} more" if len(mutants) > SHOWN else ""
    return f"{names}{more}: {mutants[0].mistake.removesuffix('.')}"


def _reproduces(mutant: Mutant, observed: Iterable[Observed]) -> bool:
    """Tell whether a mutant gives what a function gave in all runs."""
    try:
        function = _mutated(mutant)
        for signature, own in observed:
            given = signature.quantities(_subject(mutant, function, signature.run))
            dtype, (expected, floor) = signature.case.dtype, signature.expected()
            floors = {name: _floor(array, expected[name], floor[name], dtype) for name, array in given.items()}
            if _differ(own, given, floors) or (signature.is_wrong and not _differ(given, expected, floor)):
                return False
    except INTERRUPTS:
        raise
    except BaseException:  # not everything that a mutant can be given is something that it can do
        return False
    return True


def _differ(own: Mapping[str, Array], expected: Mapping[str, Array], floor: Mapping[str, Array]) -> bool:
    return any(one.failed for one in compare(own, expected, floor))


def _floor(values: Array, expected: Array, floor: Array, dtype: str) -> Array:
    """Return the noise floor of wrong values: where they are larger than right ones, so is what amplifies rounding."""
    sizes = [np.sqrt(np.mean(np.square(one.astype(np.float64)))) if one.size else 0.0 for one in (values, expected)]
    growth = sizes[0] / sizes[1] if sizes[1] else 1.0
    larger = growth if growth > 1 and np.isfinite(growth) else 1.0
    return np.asarray(floor * larger + rounding_of(values, expected, dtype))


def _breaks(mutant: Mutant, run: Evidence) -> bool:
    """Tell whether a mutant breaks the contract in a run."""
    subject = _subject(mutant, _mutated(mutant), run)
    return any(one.failed for one in CONTRACTS[run.result.contract].judge(subject, run.case))


def _subject(mutant: Mutant, function: Callable[..., Outputs], run: Evidence) -> Subject:
    own, row = run.check.own, find(mutant.operation)
    assert own is not None
    given = partial(_only, partial(function, variant=mutant.variant), tuple(run.case.cotangents))
    aligned = replace(own, side=SIDES[0])
    calls = {one.name: bound(given, row, one, mutant.framework, aligned) for one in row.configurations}
    mode = run.result.mode if mutant.framework == run.subject.framework else frameworks.MODES[mutant.framework][0]
    return Subject(mutant.framework, mutant.variant, mode, calls, like=run.subject.like)


def _only(function: Callable[..., Outputs], outputs: tuple[str, ...], **arguments: Any) -> Outputs:
    """Return only some of the outputs of a mutant."""
    given = function(**arguments)
    return {name: given[name] for name in outputs}
