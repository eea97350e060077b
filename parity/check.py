"""The one pipeline: draw a case, observe it, compare, judge. Commands, tests and users' own functions go through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity import planner, wings
from parity.cases import Case, draw, shapes_of
from parity.compare import Difference, verdict
from parity.contracts import CONTRACTS, FIRST, Contract, Subject, same_in_every_mode
from parity.dtypes import DTYPES, FLOATS, NARROW
from parity.errors import InputError, a_function, choose, first_lines, names, of_kind, whole_number
from parity.findings import FAILED, KNOWN, SKIPPED, Finding
from parity.first import first_difference
from parity.operations import OPERATIONS, Form, Operation, Refusal, find

# At a real cost nobody would cut batches as small as these, and a bucketed variant would be tried whole.
SMALLEST_GROUPS = planner.Cost(call=0.0, step=0.0, row=1.0)


@dataclass(frozen=True)
class Check:
    """One variant of one operation held to one contract, in one dtype, on all its cases and in all its modes.

    ``full`` adds the modes of a full run; ``function`` stands in for the wing's own, when a user checks theirs.

    >>> str(plan(operations=["rnn.lstm"], wings_=["pytorch"], dtypes=["float32"])[0])
    'rnn.lstm-pytorch.packed-float32-matches_reference'
    """

    operation: str
    wing: str
    variant: str
    dtype: str
    contract: str
    seed: int = 0
    full: bool = False
    function: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.operation}-{self.wing}.{self.variant}-{self.dtype}-{self.contract}"

    @property
    def reproduce(self) -> str:
        """What shows its findings again: a command, or the call that held a user's function to it."""
        if self.function:
            given = f"{self.operation!r}, {self.variant}, {self.wing!r}, dtype={self.dtype!r}"
            return f"parity.hold({given}, contracts=[{self.contract!r}], seed={self.seed})"
        return (
            f"parity check --operation {self.operation} --wing {self.wing} --variant {self.variant} "
            f"--dtype {self.dtype} --contract {self.contract} --seed {self.seed}{' --full' if self.full else ''}"
        )

    @property
    def slow(self) -> bool:
        """Whether only a full run tries it."""
        return self.dtype in NARROW or CONTRACTS[self.contract].compiled

    @property
    def together(self) -> tuple[str, ...]:
        """Checks of one operation in one dtype share draws, references and traces."""
        return self.operation, self.dtype

    @property
    def cost(self) -> int:
        """Roughly how long it takes: more inputs, more to differentiate."""
        return sum(len(form.inputs) for form in find(self.operation).forms)

    def lost(self, reason: str) -> list[Finding]:
        """The verdict if the process that should give it died."""
        return [self.finding("", "", FAILED, reason=reason)]

    def run(self) -> list[Finding]:
        """Hold the variant to the contract. Whatever goes wrong in it becomes a finding."""
        absent, contract = wings.missing(self.wing), CONTRACTS[self.contract]
        if not absent and contract.both_wings:
            absent = "; ".join(filter(None, map(wings.missing, wings.FRAMEWORKS)))
        if absent:
            return [self.finding("", "", SKIPPED, reason=absent)]
        findings = [
            finding
            for form in find(self.operation).forms
            for shape in self._shapes(form)
            for mode in contract.modes(self.wing, self.dtype, self.full)
            for finding in self._judge(form, shape, self._subject(form, mode))
        ]
        return findings or [
            self.finding("", "", FAILED, reason="nothing was compared: the contract applies to no case")
        ]

    def _shapes(self, form: Form) -> list[str]:
        contract = CONTRACTS[self.contract]
        tried = FIRST if self.dtype in NARROW else contract.shapes
        return [shape for shape in shapes_of(form) if shape in tried and not contract.unless_form(form)]

    def _subject(self, form: Form, mode: str) -> Subject:
        own = self.function and wings.bind(self.function, find(self.operation), form.name)
        return Subject(self.wing, self.variant, mode, own)

    def _judge(self, form: Form, shape: str, subject: Subject) -> list[Finding]:
        contract, case = CONTRACTS[self.contract], self._case(form, shape)
        if contract.unless(case):
            return []
        refusal = self._refusal(case, subject.mode)
        try:
            with planner.using(SMALLEST_GROUPS):
                differences = contract.judge(subject, case)
                first = self._first(subject, case, differences)
        except Exception as error:  # whatever a variant raises is what we found out about it
            said = f"{type(error).__name__}: {error}"
            if refusal and refusal.says in said:
                return [self.finding(subject.mode, case.name, KNOWN, reason=f"refused: {refusal.why}")]
            return [self.finding(subject.mode, case.name, FAILED, reason=f"raised {first_lines(said)}")]
        if refusal:
            stale = f"no longer refuses with {refusal.says!r}: remove that Refusal from parity/operations.py"
            return [self.finding(subject.mode, case.name, FAILED, reason=stale)]
        return self._verdict(subject.mode, case, differences, first)

    def _case(self, form: Form, shape: str) -> Case:
        """The drawn case, without the outputs that the variant cannot give. A user's function has to give them all."""
        case = draw(self.operation, form.name, shape, self.dtype, self.seed)
        if self.function:
            return case
        return case.keeping(set(case.cotangents) - set(case.row.omitted(f"{self.wing}.{self.variant}")))

    def _refusal(self, case: Case, mode: str) -> Refusal | None:
        """A contract that sets a mode beside eager is refused by either; eager runs first."""
        if self.function:
            return None
        modes = ("eager", mode) if CONTRACTS[self.contract].judge is same_in_every_mode else (mode,)
        subject = f"{self.wing}.{self.variant}"
        refusals = (case.row.refusal(subject, case.name, mode, self.dtype) for mode in modes)
        return next(filter(None, refusals), None)

    def _first(self, subject: Subject, case: Case, differences: list[Difference]) -> str:
        """Where it began, for a failure on the first shape; looking takes a run for each step."""
        if case.shape not in FIRST or not any(difference.failed for difference in differences):
            return ""
        return first_difference(subject.wing, subject.variant, subject.mode, subject.call, case)

    def _verdict(self, mode: str, case: Case, differences: list[Difference], first: str) -> list[Finding]:
        if not any(difference.compared or difference.failed for difference in differences):
            return []  # an empty batch of an operation without parameters: it ran, but there is no number to judge
        return [self.finding(mode, case.name, first=first, **said) for said in verdict(differences)]

    def finding(self, mode: str, case: str, status: str, **rest: Any) -> Finding:
        """A finding of this check."""
        return Finding(
            operation=self.operation,
            wing=self.wing,
            variant=self.variant,
            mode=mode,
            dtype=self.dtype,
            case=case,
            seed=self.seed,
            contract=self.contract,
            status=status,
            reproduce=self.reproduce,
            **rest,
        )


def plan(
    operations: Iterable[str] = (),
    wings_: Iterable[str] = (),
    variants: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    contracts: Iterable[str] = (),
    seed: int = 0,
    full: bool = False,
) -> list[Check]:
    """All checks of a selection, in the order of the operations table. An empty selection means everything.

    Narrow dtypes and compiled modes take long: they are planned where they are named, or in a ``full`` run, and so
    are graphs in float64.

    Raises:
        InputError: an unknown name, with the nearest right one, or a selection that holds no check.
    """
    rows = [find(name) for name in names("operations", operations)] or list(OPERATIONS.values())
    frameworks = [choose("wing", wing, wings.FRAMEWORKS) for wing in names("wings", wings_)] or list(wings.FRAMEWORKS)
    kept = [choose("dtype", dtype, FLOATS) for dtype in names("dtypes", dtypes)] or list(FLOATS if full else DTYPES)
    promised = [CONTRACTS[choose("contract", name, CONTRACTS)] for name in names("contracts", contracts)] or [
        contract for contract in CONTRACTS.values() if full or not contract.compiled
    ]
    known = {v for row in rows for wing in frameworks for v in row.variants[wing]}
    wanted = {choose("variant", variant, sorted(known)) for variant in names("variants", variants)} or known
    whole_number("seed", seed)
    of_kind("full", full, bool, "True or False")
    checks = [
        Check(row.name, wing, variant, dtype, contract.name, seed, full)
        for row in rows
        for dtype in kept
        for wing in frameworks
        for variant in row.variants[wing]
        if variant in wanted
        for contract in promised
        if contract.tried_in(dtype) and _promised(contract, row, wing, dtype, full)
    ]
    if not checks:
        raise InputError("selection", "no check at all", "a contract that one of the chosen operations promises")
    return checks


def _promised(contract: Contract, row: Operation, wing: str, dtype: str, full: bool) -> bool:
    """Whether some case of an operation can be held to a contract in some mode of a wing."""
    return bool(contract.modes(wing, dtype, full)) and not all(contract.unless_form(form) for form in row.forms)


def hold(
    operation: str,
    function: Callable[..., Mapping[str, Any]],
    wing: str,
    *,
    dtype: str = "float32",
    contracts: Iterable[str] = (),
    seed: int = 0,
) -> list[Finding]:
    """Hold a function of your own to the contracts of an operation.

    Args:
        operation: the row it claims to compute, e.g. ``"rnn.lstm"``.
        function: takes that operation's arguments as tensors of the framework, by name, and returns a dict of
            tensors; see ``parity/pytorch/*.py`` for the arguments of each operation.
        wing: "pytorch" or "tensorflow".
        dtype: "float32", "float64", "bfloat16" or "float16".
        contracts: some of `CONTRACTS`; all that the operation promises when empty.
        seed: of the drawn cases.

    Returns:
        Findings in every form, shape and mode; look for ``status == "failed"``.

    Raises:
        InputError: an unknown name, with the nearest right one, or a function that cannot be called.
        WingUnavailable: the framework cannot be loaded.

    >>> def careless(x, lengths):  # reverses the padding too
    ...     return {"y": x.flip(1)}
    >>> findings = hold("bidirectional.reverse_sequence", careless, "pytorch", contracts=["ignores_padding"])
    >>> findings[0].status, findings[0].quantity
    ('failed', 'y')
    """
    name, function = getattr(function, "__name__", type(function).__name__), a_function("function", function)
    planned = plan([operation], [wing], dtypes=[dtype], contracts=contracts, seed=seed)
    wings.native(wing)
    promised = dict.fromkeys(one.contract for one in planned)
    return [
        finding
        for contract in promised
        for finding in Check(operation, wing, name, dtype, contract, seed, function=function).run()
    ]
