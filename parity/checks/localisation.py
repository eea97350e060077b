"""Find where a variant first differs from the reference: after how many steps, in which quantity, and how.

Cut every sequence to its first step, to two, to three, and take the shortest prefix on which the answers differ. On
that prefix, compare quantities in the order of computation: layer after layer, the cell state before what is read off
it, the gates of the first step by the gradient of their biases.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import numpy as np

from parity.cases.case import Case
from parity.checks.arrangements import arrangement
from parity.checks.comparison import Difference, difference, mismatch
from parity.checks.noise import Floor
from parity.checks.result import FirstDifference
from parity.checks.subject import Subject
from parity.errors import INTERRUPTS
from parity.frameworks.observation import Observation

GATES = {"4": "ifgo", "3": "rzn"}  # by their number: LSTM, GRU
FEW_PREFIXES = 12  # more are searched by bisection


@dataclass(frozen=True)
class Part:
    """A part of an observation: a whole quantity, or one layer of a state."""

    quantity: str
    layer: int | None = None


def first_difference(subject: Subject, case: Case, least: int = 0) -> FirstDifference | None:
    """Find the shortest prefix on which a subject differs from the reference, and what differs there first.

    No sequence is cut to fewer steps than ``least``, nor to none, unless the case has an empty sequence that is wrong.
    A prefix on which either raises is passed over: whatever happens here, the verdict stands.
    """
    found = cache(lambda steps: _on_prefix(subject, case.shortened(steps), steps))
    if least == 0 and not _is_wrong_when_empty(subject, case):
        least = 1
    steps = _first_where(lambda steps: found(steps) is not None, range(least, case.steps + 1))
    return None if steps is None else found(steps)


def _is_wrong_when_empty(subject: Subject, case: Case) -> bool:
    """Tell whether empty sequences of a case are wrong: their rows, or else the case only as long as it has them."""
    empty = case.lengths == 0
    if empty.all() or not empty.any():
        return bool(empty.any())
    try:
        observed, expected = subject.observe(case), subject.floor(case)
        for name, axes in case.axes.items():
            if "B" in axes:
                rows = (one[name].compress(empty, axes.index("B")) for one in (expected.expected, expected.floor))
                if difference(name, observed[name].compress(empty, axes.index("B")), *rows).failed:
                    return True
        rest = case.taken(np.flatnonzero(~empty))
        found, expected = subject.observe(rest), subject.floor(rest)
        return not any(_compared(part, found, expected).failed for part in parts(rest))
    except INTERRUPTS:
        raise
    except BaseException:  # without its empty sequences, a case is another one, on which anything may be raised
        return True


def _first_where(differs: Callable[[int], bool], lengths: range) -> int | None:
    if len(lengths) <= FEW_PREFIXES:
        return next(filter(differs, lengths), None)
    if not differs(lengths[-1]):
        return None
    return lengths[bisect_left(lengths, True, key=differs)]


def _on_prefix(subject: Subject, prefix: Case, steps: int) -> FirstDifference | None:
    try:
        observed, reference = subject.observe_again(prefix), subject.floor(prefix)
        for part in parts(prefix):
            if not _compared(part, observed, reference).failed:
                continue
            how = arrangement(prefix, part.quantity, part.layer, observed, reference, subject.floor)
            gates = _gates(part, prefix, subject) if steps == 1 and not how else ()
            return FirstDifference(steps, part.quantity, part.layer, gates, arrangement=how)
    except INTERRUPTS:
        raise
    except BaseException:  # whatever a variant raises on a prefix
        return None
    return None


def parts(case: Case) -> Iterator[Part]:
    """Yield the parts of an observation in the order of computation; gradients after all outputs."""
    initial = reversed(list(case.configuration.initial))
    states = [name for name in initial if name in case.cotangents and _has_layers(case.axes[name])]
    layers = int(case.axes[states[0]][0]) if states else 0
    rest = (name for name in chain(case.configuration.outputs, case.axes) if name in case.axes and name not in states)
    yield from (Part(name, layer) for layer in range(layers) for name in states)
    yield from map(Part, dict.fromkeys(rest))


def _has_layers(axes: str) -> bool:
    return axes[:1].isdigit() and "B" in axes


def _compared(part: Part, observed: Observation, reference: Floor) -> Difference:
    name, layer = part.quantity, ... if part.layer is None else part.layer
    if name not in observed.quantities or observed[name].shape != reference.expected[name].shape:
        return mismatch(name, "missing, or of another shape")
    return difference(name, observed[name][layer], reference.expected[name][layer], reference.floor[name][layer])


def _gates(part: Part, prefix: Case, subject: Subject) -> tuple[str, ...]:
    """Find the gates of a layer that are at fault on the very first step, as far as is visible from outside.

    There the gradient of a gate's bias is the slope at its own pre-activation, times what stands beside it: i beside g.
    """
    bias, weights = f"bias.{part.layer}", prefix.configuration.inputs.get(f"w_in.{part.layer}")
    if weights is None or weights.axes[-2] not in GATES or not prefix.differentiated:
        return ()
    gates = GATES[weights.axes[-2]]
    if part.quantity == "h" and "o" in gates:
        return ("o",)
    cotangent = prefix.cotangents[part.quantity].copy()
    cotangent[np.arange(len(cotangent)) != part.layer] = 0
    alone = replace(prefix, cotangents={part.quantity: cotangent})
    observed, reference = subject.observe_again(alone)[f"d_{bias}"], subject.floor(alone)
    expected, floor = reference.expected[f"d_{bias}"], reference.floor[f"d_{bias}"]
    differing = tuple(
        gate
        for at, gate in enumerate(gates)
        if difference(bias, observed[..., at, :], expected[..., at, :], floor[..., at, :]).failed
    )
    return differing if len(differing) < len(gates) else ()
