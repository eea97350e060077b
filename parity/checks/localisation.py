"""Where a variant parts from the reference first: after how many steps, in which quantity, in which gates.

The last output is off by then; what a person wants to know is where it began. Any function can be asked without
opening it: cut every sequence to its first step, to two, to three, and the shortest prefix on which the answers part
is where to look. On that prefix, quantities are looked at in the order of computation: layer after layer, the cell
state before what is read off it, the gates of the first step by the gradient of their biases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from parity.cases.case import Case
from parity.checks.comparison import Difference, difference
from parity.checks.contracts import Subject
from parity.checks.noise import Floor, noise_floor
from parity.frameworks.observation import Observation

GATES = {"4": "ifgo", "3": "rzn"}  # by their number: LSTM, GRU


@dataclass(frozen=True)
class Place:
    """A part of a quantity: all of it, or one layer of a state."""

    quantity: str
    layer: int | None = None

    def __str__(self) -> str:
        return self.quantity if self.layer is None else f"{self.quantity} of layer {self.layer}"


def first_difference(subject: Subject, case: Case) -> str:
    """Where a subject parts from the reference first, in words; empty if it does not, on any prefix.

    Args:
        subject: what is held to the reference.
        case: one on which it parts somewhere.
    """

    def run(prefix: Case) -> Observation:
        return subject.observe_again(prefix)

    for steps in range(case.steps + 1):
        prefix = replace(case, lengths=np.minimum(case.lengths, steps))
        seen, reference = run(prefix), noise_floor(prefix)
        for place in places(prefix):
            if _at(place, seen, reference).failed:
                return _sentence(place, steps, _gates(place, prefix, run) if steps == 1 else "")
    return ""


def places(case: Case) -> Iterator[Place]:
    """The parts of an observation, in the order in which they are computed; gradients after all outputs."""
    states = [
        name
        for name in reversed(list(case.configuration.initial))
        if name in case.cotangents and "B" in case.axes[name]
    ]
    layers = int(case.axes[states[0]][0]) if states else 0
    rest = (name for name in chain(case.configuration.outputs, case.axes) if name in case.axes and name not in states)
    yield from (Place(name, layer) for layer in range(layers) for name in states)
    yield from map(Place, dict.fromkeys(rest))


def _at(place: Place, seen: Observation, reference: Floor) -> Difference:
    name, part = place.quantity, ... if place.layer is None else place.layer
    if name not in seen.quantities or seen[name].shape != reference.expected[name].shape:
        return difference(name, np.zeros(0), np.zeros(1), None)
    return difference(name, seen[name][part], reference.expected[name][part], reference.floor[name][part])


def _gates(place: Place, prefix: Case, run: Callable[[Case], Observation]) -> str:
    """Which gates of a layer are at fault on the very first step, as far as that can be told from outside.

    There the gradient of a gate's bias is the slope at its own pre-activation, times what stands beside it: i beside g.
    """
    bias, weights = f"bias.{place.layer}", prefix.configuration.inputs.get(f"w_in.{place.layer}")
    if weights is None or weights.axes[-2] not in GATES:
        return ""
    gates = GATES[weights.axes[-2]]
    if place.quantity == "h" and "o" in gates:
        return "gate o"  # h = o tanh(c), and c is right
    alone = _one_layer(prefix, place)
    seen, reference = run(alone), noise_floor(alone)
    sides = [side[f"d_{bias}"] for side in (seen.quantities, reference.expected, reference.floor)]
    parted = [gate for at, gate in enumerate(gates) if difference(bias, *(side[..., at, :] for side in sides)).failed]
    return f"by the slopes of gates {', '.join(parted)}" if 0 < len(parted) < len(gates) else ""


def _one_layer(case: Case, place: Place) -> Case:
    """The case, with no cotangent but that of one layer's state."""
    cotangent = case.cotangents[place.quantity].copy()
    cotangent[np.arange(len(cotangent)) != place.layer] = 0
    return replace(case, cotangents={place.quantity: cotangent})


def _sentence(place: Place, steps: int, gates: str) -> str:
    when = {0: "with all sequences empty", 1: "on the first step"}.get(steps, f"at step {steps}")
    return f"parts from the reference {when}, first in {place}" + (f", {gates}" if gates else "")
