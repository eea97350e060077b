"""The verdict on a pair of models: whether they are the same function, and if not, where and why."""

from __future__ import annotations

from parity.checks.result import FAILED, XFAILED, Measure
from parity.checks.verdict import Verdict
from parity.errors import printable
from parity.pairs.first_difference import FirstDifference
from parity.pairs.layers import LayerDifference, LayerWeights

MOST_LINES = 12
SAME = "same_function"
SIDES = ("left", "right")
TOLERANCES = (1e-6, 1e-5, 1e-4, 1e-3)


class PairVerdict(Verdict, frozen=True, kw_only=True, tag="pair"):
    """The findings about a pair of models. It is true if all contracts hold; as a text, it explains itself.

    Attributes:
        same_function: whether both models agree; None if that could not be found out.
        table: the layers that stand for each other, and what became of their weights.
        layers: how far these are apart, in the order of calls; empty for an ONNX model, or one that cannot be traced.
        difference: where they begin to differ.
        cause: why, if an alternative that was tried explains it.
        mask_ends: "left" and "right" -> the Keras layer at which the mask ends.
        double: the largest difference of outputs in float64, relative to the largest output.
        single: in the other dtype, in noise floors.
        error: the largest absolute difference of outputs in that dtype.
        wide: the dtype in which the function was compared.
        weights: a line about the weights.
    """

    same_function: bool | None = None
    table: tuple[LayerWeights, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    difference: FirstDifference | None = None
    cause: str = ""
    mask_ends: dict[str, str] = {}  # noqa: RUF012 - a Struct copies it
    double: Measure = None
    single: Measure = None
    error: Measure = None
    dtype: str = "float32"
    wide: str = "float64"
    weights: str = ""

    @property
    def first_difference(self) -> FirstDifference | None:  # type: ignore[override]
        """Return where both models begin to differ."""
        return self.difference

    def __str__(self) -> str:
        """Explain it in at most twelve lines."""
        lines = [self._headline(), *([f"  cause: {self.cause}"] if self.cause else [])]
        lines += self._of_sides()
        lines.append(f"  {'; '.join(filter(None, [self.weights, *self._kept(), *self._masks()]))}")
        if self.same_function is False and self.error is not None:
            passing = next((one for one in TOLERANCES if one > self.error), None)
            also = f": a tolerance of {_power(passing)} would have passed this" if passing else ""
            lines.append(f"  in {self.dtype} the outputs differ by {self.error:.1e}{also}")
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(map(printable, lines[:MOST_LINES]))

    def _headline(self) -> str:
        mark = "✓" if self else "✗"
        if self.same_function is None:
            failed = next((one for one in self.results if one.status == FAILED and one.detail), None)
            return f"✗ {self.name}: not compared: {'nothing was run' if failed is None else failed.detail}"
        if self.same_function:
            measured = "" if self.double is None else f" ({self.wide}: {self.double:.0e})"
            apart = "" if self.single is None else f", {self.single:.0f} noise floors apart in {self.dtype}"
            rounding = SAME in self.failed and not self._expected(SAME)
            only = ": more than rounding" if rounding else ""
            return f"{mark} the same function{measured}{apart}{only}{self._unexpected()}"
        where = f": {self.difference}" if self.difference else ""
        measured = "" if self.difference or self.double is None else f": {self.double:.1e} apart in {self.wide}"
        what = "in training" if self.difference and self.difference.where == "training" else "function"
        return f"{mark} not the same {what}{where}{measured}{self._expected(SAME)}"

    def explain(self, contract: str) -> str:
        """Say why one contract is broken, in one line."""
        if contract == SAME:
            return ". ".join(filter(None, [self._headline()[2:], self.cause and f"Cause: {self.cause}"]))
        blame = self.blames.get(contract)
        said = self.otherwise.get(contract.partition(".")[2], f"breaks {contract}")
        return f"{said}{f': {blame}' if blame else ''}"

    def _unexpected(self) -> str:
        failed = [one for one in self.results if one.contract == SAME and one.detail.startswith("holds, but")]
        return f": {failed[0].detail}" if failed else ""

    def _expected(self, contract: str) -> str:
        expected = [one for one in self.results if one.contract == contract and one.status == XFAILED]
        return f" ({expected[0].detail})" if expected else ""

    def _of_sides(self) -> list[str]:
        """Return a line for each contract that a side breaks, of both if both do."""
        broken: dict[str, list[str]] = {}
        for contract in self.failed:
            half, _, own = contract.partition(".")
            if half in SIDES:
                broken.setdefault(own, []).append(half)
        lines = []
        for own, halves in broken.items():
            who = "both" if len(halves) == 2 else halves[0]
            said = self.otherwise.get(own, f"breaks {own}")
            blame = self.blames.get(f"{halves[0]}.{own}")
            lines.append(f"  ✗ {who}: {said}{f' ({blame})' if blame else ''}")
        return [*lines[:4], *([f"  and {len(lines) - 4} contracts more: see .results"] if len(lines) > 4 else [])]

    def _kept(self) -> list[str]:
        kept = {half: {c.partition(".")[2] for c in self.passed if c.startswith(f"{half}.")} for half in SIDES}
        both = kept["left"] & kept["right"]
        if "ignores_padding" in both or "ignores_extra_padding" in both:
            return ["both ignore padding"] + ([f"both keep {len(both) - 1} more contracts"] if len(both) > 1 else [])
        return [f"both keep {', '.join(sorted(both))}"] if both else []

    def _masks(self) -> list[str]:
        return [f"{half}: the mask ends at `{layer}`" for half, layer in self.mask_ends.items()]


AnyVerdict = Verdict | PairVerdict  # in a report, whose JSON tells them apart by their kind


def _power(value: float | None) -> str:
    return f"{value:.0e}".replace("e-0", "e-") if value else ""
