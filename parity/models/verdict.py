"""The verdict on a user's own model: whether it holds, and the explanation."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from parity.checks.result import FAILED, PASSED, Result, number
from parity.checks.sentences import distinct
from parity.models.contracts import CONTRACTS

MOST_LINES = 12
NO_ROUNDING = 1e5  # noise floors; a score beyond it needs no limit beside it


class Blame(Struct, frozen=True):
    """The place where a difference begins.

    Attributes:
        layer: the first layer that differs, in the order of calls; empty if none does.
        kind: its class.
        where: "in" the layer, "before" it, in code between layers, "after" the last one, or in "gradients" only.
        equal: the last layer before it that does not differ; empty if there is none.
        sequence, step: the first place; the step is -1 where there are no steps.
        length: of that sequence.
        mask: in Keras, the last layer that passed on a mask, if none reaches this layer.
    """

    layer: str
    kind: str
    where: str
    equal: str
    sequence: int
    step: int
    length: int
    mask: str = ""

    def __str__(self) -> str:
        """Return it in words.

        >>> print(Blame("encoder.conv", "Conv1d", "in", "embed", 2, 3, 4))
        first in `encoder.conv` (Conv1d), at step 3 of sequence 2, its last real step
        """
        step = f", at step {self.step} of sequence {self.sequence}" if self.step >= 0 else ""
        if self.step >= 0 and self.step == self.length - 1:
            step += ", its last real step"
        step += f"; the mask of `{self.mask}` does not reach it" if self.mask else ""
        if self.where == "in":
            return f"first in `{self.layer}` ({self.kind}){step}"
        if self.where == "before":
            after = f"after `{self.equal}` and " if self.equal else ""
            return f"first in code {after}before `{self.layer}` ({self.kind}){step}"
        if self.where == "gradients":
            return f"in gradients only, first in that of `{self.layer}`"
        return f"first in code after `{self.equal}`, the last layer"


class Verdict(Struct, frozen=True, kw_only=True):
    """The findings about a model of a user's. It is true if it holds; as a text, it explains itself.

    Attributes:
        name, framework: of the model.
        results: of all contracts that were tried.
        declined: contract -> why it was not tried.
        blames: contract -> where the difference begins.
        axes: output -> its axes, "B" for rows and "T" for steps.
        notes: what is worth knowing besides: what was guessed, in which precision the tolerance was measured.
    """

    name: str
    framework: str
    results: tuple[Result, ...] = ()
    declined: dict[str, str] = {}  # a Struct copies it
    blames: dict[str, Blame] = {}
    axes: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.failed and any(result.status == PASSED for result in self.results)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the contracts that are broken."""
        return tuple(dict.fromkeys(result.contract for result in self.results if result.status == FAILED))

    def only(self, contract: str) -> Verdict:
        """Return what it says of one contract."""
        results = tuple(result for result in self.results if result.contract == contract)
        return replace(self, results=results, declined={})

    @property
    def passed(self) -> tuple[str, ...]:
        """Return the contracts that hold."""
        tried = dict.fromkeys(result.contract for result in self.results if result.status == PASSED)
        return tuple(contract for contract in tried if contract not in self.failed)

    @property
    def first_difference(self) -> Blame | None:
        """Return where the first broken contract begins to differ."""
        return next((self.blames[contract] for contract in self.failed if contract in self.blames), None)

    def __str__(self) -> str:
        """Explain it in at most twelve lines, a paragraph for each cause."""
        lines = self._causes() if self.failed else [self._summary()]
        rest = self._rest()
        most = MOST_LINES - len(rest)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"  and {len(lines) - most + 1} lines more: see .results"]
        return "\n".join([*lines, *rest])

    def _summary(self) -> str:
        if not self.passed:
            return f"✗ {self.name}: nothing was compared"
        return f"✓ {self.name} ({self.framework}) keeps {', '.join(self.passed)}"

    def _causes(self) -> list[str]:
        lines: list[str] = []
        for first, *others in self._by_cause():
            blame = self.blames.get(first)
            lines.append(f"✗ {self.name} ({self.framework}) {self._phrase(first)}" + (f": {blame}" if blame else ""))
            lines.append(f"  {self._details(first)}")
            if others:
                lines.append(f"  so it also {', '.join(CONTRACTS[contract].otherwise for contract in others)}")
        return lines

    def _phrase(self, contract: str) -> str:
        """Say what a model does that a contract forbids; without a run, that it does not run."""
        raised = any(result.contract == contract and result.problem == "raised" for result in self.results)
        return "cannot be run" if raised and contract == "repeatable" else CONTRACTS[contract].otherwise

    def _by_cause(self) -> list[list[str]]:
        """Group contracts that break at the same layer; those of which only gradients differ follow from the first."""
        if "repeatable" in self.failed:  # all else may follow from that
            return [["repeatable", *(contract for contract in self.failed if contract != "repeatable")]]
        groups: dict[object, list[str]] = {}
        for contract in self.failed:
            blame = self.blames.get(contract)
            traced = blame is not None and blame.where != "gradients"
            key: object = (blame.layer, blame.where) if blame is not None and traced else "not traced"
            groups.setdefault(key, []).append(contract)
        rest = groups.pop("not traced", [])
        if groups:
            next(iter(groups.values())).extend(rest)
        return [*groups.values(), *([] if groups else [[contract] for contract in rest])]

    def _details(self, contract: str) -> str:
        """Say which quantity differs, by how much and where: an output or the loss, rather than a gradient."""
        failed = [result for result in self.results if result.contract == contract and result.status == FAILED]
        worst = min(failed, key=lambda result: (result.quantity.startswith("d_"), result.dtype != failed[0].dtype))
        gradients = {result.quantity for result in failed if result.quantity.startswith("d_")}
        every = {name for name in worst.scores if name.startswith("d_")}
        also = f", and {len(gradients - {worst.quantity})} of {len(every)} gradients" if len(gradients) > 1 else ""
        return f"{contract} ({worst.dtype}): {self._words(worst)}{also}"

    def _words(self, result: Result) -> str:
        if result.problem in ("mismatch", "raised", "other"):
            return result.detail
        at = self._place(result)
        if result.problem == "not_finite":
            return f"{result.quantity} is NaN or inf{at}"
        values = distinct(result.observed, result.expected)
        instead = "" if None in values else f": {values[0]!r} instead of {values[1]!r}"
        score = result.score if result.problem == "element" else result.norm_score
        if result.problem in ("element", "norm") and score is not None and score < NO_ROUNDING:
            limit = result.limit if result.problem == "element" else result.norm_limit
            norm = " norm-wise" if result.problem == "norm" else ""
            allowed = f", {number(score)} noise floors{norm} where {number(limit)} are allowed"
            return f"{result.quantity} is off by {number(result.error)}{at}{instead}{allowed}"
        return f"{result.quantity} is off by {number(result.error)}{at}{instead}"

    def _place(self, result: Result) -> str:
        axes = self.axes.get(result.quantity, "")
        if not result.worst_index:
            return ""
        if "B" not in axes:
            return f" at {result.worst_index}"
        sequence, *rest = result.worst_index
        step = f", step {rest[0]}" if "T" in axes else ""
        return f" at sequence {sequence}{step}"

    def _rest(self) -> list[str]:
        lines = []
        if self.failed and self.passed:
            lines.append(f"  kept: {', '.join(self.passed)}")
        if self.declined:
            reasons: dict[str, list[str]] = {}
            for contract, why in self.declined.items():
                reasons.setdefault(why, []).append(contract)
            lines += [f"  not tried: {', '.join(names)} ({why})" for why, names in reasons.items()]
        return [*lines, *(f"  {note}" for note in self.notes)]
