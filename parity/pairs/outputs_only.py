"""Find where a pair differs of which one model has outputs only, and why, by changes of the other model.

The outputs of an ONNX model are all that is known of it. What the other model may do otherwise, in any of its layers
and between them, is tried; what makes all outputs agree on several batches is the cause.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np

from parity.checks.comparison import Difference, difference
from parity.models.sequences import Inputs
from parity.pairs.alternatives import GONE, OTHER, Alternative
from parity.pairs.causes import TRYING, largest
from parity.pairs.comparing import Seen, compare_pair, observe_both
from parity.pairs.first_difference import FirstDifference
from parity.pairs.halves import Half
from parity.pairs.passages import passages

MOST = 400  # changes that are tried
AGAIN = 2  # batches with which a cause is tried once more


def first_in_outputs(seen: tuple[Seen, Seen], failed: list[Difference], dtype: str) -> FirstDifference | None:
    """Return the first output that differs, the first step at which one does, and the sequence."""
    found = next((one for one in failed if one.sides is not None), None)
    if found is None or found.sides is None:
        return None
    names = [next(own for own, label in one.half.names.items() if label == found.quantity) for one in seen]
    observed, expected, floor = found.sides
    letters = [one.half.axes[name] for one, name in zip(seen, names, strict=True)]
    has_steps = all("T" in own or name in one.half.steps for own, name, one in zip(letters, names, seen, strict=True))
    lengths = seen[0].setting.view.sequences.lengths
    places = []
    for sequence in range(len(expected)):
        for step in range(expected.shape[1]) if has_steps else [-1]:
            at = (sequence, step) if has_steps else (sequence,)
            own_floor = None if floor is None else floor[at]
            if difference("", observed[at], expected[at], own_floor).failed:
                places.append((step, sequence))
    step, sequence = min(places, default=(-1, -1))
    error = found.max_abs_error
    shorter = {number for number, length in enumerate(lengths) if length < max(lengths)}
    differing = {number for _, number in places}
    only = "only in sequences with padding" if differing and differing <= shorter else ""
    return FirstDifference(
        names[0], names[1], only, where="outputs", step=step, sequence=sequence, difference=error, dtype=dtype
    )


@dataclass(frozen=True, eq=False)
class Change:
    """One thing that the model with layers may do otherwise.

    Attributes:
        path: of the layer; empty for operations between layers.
        what: it does, in words.
        after: what is tried in place of it.
        rank: when it is tried.
        context: in which the model does that.
    """

    path: str
    what: str
    after: str
    rank: int
    context: AbstractContextManager[object]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.path, self.what, self.after

    @classmethod
    def of(cls, name: str, path: str, one: Alternative) -> Change:
        """Return an alternative of a layer of the left or the right model."""
        whose = f"of `{path}` {name}" if path else name
        what = f"{one.what} {whose}{f' is {one.before}' if one.before else ''}"
        return cls(path, what, one.after, one.rank, one.context)


@dataclass(eq=False)
class Changes:
    """Runs the model that has layers again with one thing changed.

    Attributes:
        halves: both models.
        inputs: what they take.
        seed: of the batch on which they differ.
        known: what both give on other batches.
    """

    halves: tuple[Half, Half]
    inputs: Inputs
    seed: int
    known: dict[int, tuple[Seen, Seen]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Return the number of the model that has layers."""
        return 0 if self.halves[1].is_whole else 1

    def seen(self, seed: int) -> tuple[Seen, Seen]:
        if seed not in self.known:
            self.known[seed] = observe_both(self.halves, self.inputs, seed)
        return self.known[seed]

    def every(self, seed: int) -> dict[tuple[str, str, str], Change]:
        """Return all changes on the batch of a seed."""
        half: Any = self.halves[self.number]
        tracer, framework = half.tracer(self.inputs, seed), import_module(TRYING[half.side.framework])
        mask = tracer.setting.base.mask
        found = [
            Change.of(half.name, path, one)
            for path in tracer.calls
            for one in framework.alternatives(half.side, path, {}, mask)
        ]
        found += [Change.of(half.name, "", one) for one in framework.operations(mask)]
        found += [Change("", one.what, one.after, OTHER, one.context) for one in passages(half, tracer)]
        return {one.key: one for one in found[:MOST]}

    def agreement(self, seed: int, change: Change) -> float | None:
        """Return how far all outputs are apart with a change; None if that is more than rounding."""
        seen, number = self.seen(seed), self.number
        quantities = [dict(one.floors.expected) for one in seen]
        setting = seen[number].setting
        view = replace(setting.view, differentiated=False)
        try:
            with change.context, np.errstate(all="ignore"):
                quantities[number] = view.observe([setting.base], mode="eager")
        except Exception:  # not every change fits every layer
            return None
        found = compare_pair(seen, (quantities[0], quantities[1]), None, seen[number].half.wide)
        return None if any(one.failed for one in found) else largest(found)

    def explaining(self) -> list[tuple[Change, float]]:
        """Return the changes with which both agree on several batches, and how far they are apart then."""
        found = {
            key: apart
            for key, one in self.every(self.seed).items()
            if (apart := self.agreement(self.seed, one)) is not None
        }
        for seed in range(self.seed + 1, self.seed + 1 + AGAIN) if found else ():
            every = self.every(seed)
            found = {k: a for k, a in found.items() if k in every and self.agreement(seed, every[k]) is not None}
        every = self.every(self.seed) if found else {}
        return sorted(((every[key], apart) for key, apart in found.items()), key=lambda one: one[0].rank)


def cause_in_outputs(halves: tuple[Half, Half], inputs: Inputs, seed: int, dtype: str) -> str:
    """Name what the model with layers may do otherwise so that all outputs agree; nothing if nothing tried does."""
    if not all(half.runs for half in halves):
        return ""
    found = Changes(halves, inputs, seed).explaining()
    if not found:
        return ""
    first, apart = found[0]
    same = [one for one, _ in found if (one.path, one.what) == (first.path, first.what)]
    values = [one.after for one in same]
    if first.after == GONE:
        text = f"without the {first.what},"
    else:
        text = f"{first.what}; with {' or '.join(filter(None, [', '.join(values[:-1]), values[-1]]))}"
    others = list(dict.fromkeys(f"{one.what}: {one.after}" for one, _ in found if one not in same))
    more = f"; so they do with another change: {others[0]}" if others else ""
    return f"{text} all outputs agree to {apart:.1e} in {dtype}{more}"
