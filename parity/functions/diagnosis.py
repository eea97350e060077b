"""Diagnose why a function breaks contracts: like a mutant, by weights without gradients, or on padding only."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from parity import bucketing
from parity.arrays import numpy_defaults
from parity.cases.case import Case, along
from parity.checks.check import SMALL_GROUPS, Check
from parity.checks.comparison import compare
from parity.checks.result import MEASURED, Result
from parity.errors import INTERRUPTS
from parity.functions.evidence import Evidence, evidence
from parity.functions.signatures import mutants_like

ASSIGNED = (
    "no gradient reaches {}: weights that are assigned (`.data =`, nn.Parameter(w), copy_ under no_grad, "
    "tf.Variable.assign) or detached pass none on; call the layer with the tensors themselves, as "
    "torch.func.functional_call(layer, weights, inputs) or layer.stateless_call(weights, …) do"
)
WITHOUT_GRADIENTS = "if it has no backward pass, gradients=False compares outputs alone"
DETACHED = f"no gradient reaches any input, as after .detach(), .numpy() or tf.stop_gradient: {WITHOUT_GRADIENTS}"
FORWARD_ONLY = f"it runs where no gradient is asked for: {WITHOUT_GRADIENTS}"
ON_PADDING = "outputs are right on real steps: with padding_output='any', those on padding are not compared"
WITHOUT_EMPTY = (
    "it runs without empty sequences: with min_length=1, none is given; with refuses_empty=True, it may raise on them"
)
ON_OTHERS = "it runs on other batches: with refuses_empty=True, it may raise on an empty one"
FEWER_STEPS = (
    "it ends with the longest sequence, not with T: pad it, as total_length=x.shape[1] in pad_packed_sequence does; "
    "with padding_output='any', it may lack steps that are all padding"
)
SHAPES = re.compile(r"has shape \(([\d, ]+)\), expected \(([\d, ]+)\)")  # what a backward pass raises
SHOWN = 3


@numpy_defaults()
def causes_of(checks: Sequence[Check], failed: Sequence[Result]) -> dict[str, str]:
    """Return the causes of failures by contract, as far as they are known."""
    runs = list(evidence(checks, failed))
    with bucketing.using(SMALL_GROUPS):
        try:
            return _causes(runs)
        except INTERRUPTS:
            raise
        except BaseException:  # a function that differs from run to run may raise in this one
            return {}


def _causes(runs: Sequence[Evidence]) -> dict[str, str]:
    hints = {run.result.contract: hint for run in reversed(runs) if (hint := _hint(run, runs))}
    measured = [run for run in runs if run.result.problem in MEASURED]
    if any(run.result.contract == "repeatable" for run in runs) or any(map(_is_about_gradients, hints.values())):
        return hints
    alike = mutants_like(measured)
    contracts = dict.fromkeys(run.result.contract for run in runs)
    causes = {contract: [one[contract] for one in (alike, hints) if contract in one] for contract in contracts}
    return {contract: "; ".join(known) for contract, known in causes.items() if known}


def _is_about_gradients(hint: str) -> bool:
    return hint.startswith("no gradient reaches ")


def _hint(run: Evidence, runs: Sequence[Evidence]) -> str:
    if shapes := SHAPES.search(run.result.detail):
        return _hint_of_shapes(run, *(tuple(map(int, re.findall(r"\d+", one))) for one in shapes.groups()))
    if run.result.problem == "raised":
        return _hint_of_empty(run) or _hint_of_backward(run)
    if run.result.contract not in ("matches_reference", "zero_gradient_at_padding"):
        return ""
    if hint := _hint_of_gradients(run, runs) if run.result.contract == "matches_reference" else "":
        return hint
    measured = [one for one in runs if one.result.contract == "matches_reference" and one.result.problem in MEASURED]
    on_padding = _wrong_on(run, real=False) and not any(_wrong_on(one, real=True) for one in (run, *measured))
    return ON_PADDING if on_padding else ""


def _hint_of_gradients(run: Evidence, runs: Sequence[Evidence]) -> str:
    """Tell what to do with a function that passes no gradient on to its weights, or to nothing at all."""
    inputs, differentiable = run.case.configuration.inputs, _differentiable(run)
    missing = [name for name in _without_gradient(run) if not any(_gets_gradient(other, run, name) for other in runs)]
    if differentiable == missing and any("B" in inputs[name].axes for name in missing):
        return DETACHED
    if weights := [name for name in missing if "B" not in inputs[name].axes]:
        names = ", ".join(weights[:SHOWN]) + (f" and {len(weights) - SHOWN} more" if len(weights) > SHOWN else "")
        others = f"; {WITHOUT_GRADIENTS}" if differentiable == missing else ""
        return ASSIGNED.format(names) + others
    return ""


def _hint_of_shapes(run: Evidence, own: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Tell what to do with an output that lacks the steps behind the longest sequence."""
    longest = max(run.case.lengths, default=0)
    return FEWER_STEPS if own != expected and own == (expected[0], longest, *expected[2:]) else ""


def _hint_of_backward(run: Evidence) -> str:
    """Tell what to do with a function that raises where gradients are asked for, and only there."""
    forward = run.case.forward_only()
    return FORWARD_ONLY if _runs(run, forward) and not _runs(run, run.case) else ""


def _hint_of_empty(run: Evidence) -> str:
    """Tell what to do with a function that raises with empty sequences, or in an empty batch, and runs without."""
    rows = np.flatnonzero(run.case.lengths)
    if rows.size == len(run.case.lengths) != 0:
        return ""
    rest = run.case.taken(rows) if rows.size else run.other()
    if rest is None or _runs(run, run.case) or not _runs(run, rest):
        return ""
    return WITHOUT_EMPTY if rows.size else ON_OTHERS


def _runs(run: Evidence, case: Case) -> bool:
    try:
        run.subject.observe_again(case)
    except INTERRUPTS:
        raise
    except BaseException:
        return False
    return True


def _without_gradient(run: Evidence) -> list[str]:
    """Return the inputs whose gradients are all 0, and should not be, if all outputs are right."""
    observed, reference = run.subject.observe(run.case).quantities, run.subject.floor(run.case)
    outputs = [name for name in run.case.cotangents if name in observed]
    compared = compare(
        *({name: one[name] for name in outputs} for one in (observed, reference.expected, reference.floor))
    )
    if any(one.failed for one in compared):
        return []
    return [name for name in _differentiable(run) if not observed[f"d_{name}"].any()]


def _differentiable(run: Evidence) -> list[str]:
    """Return the inputs whose gradients should not be all 0."""
    observed, expected = run.subject.observe(run.case).quantities, run.subject.floor(run.case).expected
    names = [name for name in run.case.configuration.inputs if f"d_{name}" in observed]
    return [name for name in names if expected[f"d_{name}"].any()]


def _gets_gradient(other: Evidence, run: Evidence, name: str) -> bool:
    """Tell whether a gradient reaches a weight in another run of the configuration: on one step, a row may get none."""
    if other.result.problem not in MEASURED or other.case.config != run.case.config:
        return False
    return bool(other.subject.observe(other.case).quantities[f"d_{name}"].any())


def _wrong_on(run: Evidence, real: bool) -> bool:
    """Tell whether outputs differ from the reference anywhere, or on real steps; those of another shape do."""
    observed, reference = run.subject.observe(run.case).quantities, run.subject.floor(run.case)
    own = {}
    for name in run.case.cotangents:
        if observed[name].shape != reference.expected[name].shape:
            return True
        on_steps = real and run.case.axes[name].startswith("BT")
        left_out = ~along(run.case.mask, observed[name]) if on_steps else np.zeros((), bool)
        own[name] = np.where(left_out, 0, observed[name].astype(np.float64))
    compared = compare(own, *({name: one[name] for name in own} for one in (reference.expected, reference.floor)))
    return any(one.failed for one in compared)
