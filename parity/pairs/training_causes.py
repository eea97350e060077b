"""Name the conventions by which two models are trained differently: each was tried, and is needed to explain it.

All known differences are taken away at once: settings of the optimisers, of which `Rule` has both kinds, two biases
that are trained for one, and how layers keep statistics. If both models then agree after every step, those that can be
put back one after the other without a difference are no cause, and the rest is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from parity.pairs.conventions import Convention, Trainers
from parity.pairs.statistics import shares
from parity.pairs.trajectories import Layout, Path, Trajectory, compared

ENTRIES = {
    "two biases": "optimiser.two_biases",
    "epsilon of adam": "optimiser.adam_epsilon",
    "epsilon": "optimiser.epsilon_placement",
    "weight_decay": "optimiser.adam_weight_decay",
    "clipping": "optimiser.clipnorm",
    "momentum": "normalisation.batchnorm_conventions",
    "variance": "normalisation.batchnorm_conventions",
}


@dataclass(eq=False)
class Trials:
    """Trains both models again without some of the differences."""

    trainers: Trainers
    trajectories: tuple[Trajectory, Trajectory]
    layout: Layout

    def paths(self, without: Sequence[Convention]) -> tuple[Path, Path]:
        trainers = self.trainers
        with ExitStack() as stack:
            for one in without:
                trainers = one.change(trainers)
                if one.context is not None:
                    stack.enter_context(one.context())
            left, right = (
                [self.layout.arrays(number, one.half, values) for values in one.path(one.half.wide)]
                for number, one in enumerate(trainers)
            )
        return left, right

    def shares(self, without: Sequence[Convention]) -> list[Convention]:
        """Return the shares by which statistics move differently, if all else is equal."""
        return list(shares(self.trainers, self.paths(without), self.layout))

    def apart(self, without: Sequence[Convention]) -> float | None:
        """Return how far all weights are apart at most; None if that is more than rounding after some step."""
        try:
            paths = self.paths(without)
        except Exception:  # not every change fits every layer
            return None
        step, _ = compared(paths, self.trajectories, self.trainers[0].half.wide)
        if step:
            return None
        return max(float(np.max(np.abs(a[n] - b[n]), initial=0.0)) for a, b in zip(*paths, strict=True) for n in a)


def cause_in_conventions(trials: Trials, known: Sequence[Convention]) -> str:
    """Return the conventions that explain a difference in words; nothing if they do not explain all of it."""
    found = [*known]
    if trials.apart(found) is None:
        found += trials.shares(found)
        if len(found) == len(known) or trials.apart(found) is None:
            return ""
    for one in list(found):
        rest = [other for other in found if other is not one]
        if trials.apart(rest) is not None:
            found = rest
    for what in dict.fromkeys(one.what for one in found):  # one that both models have is no difference
        rest = [other for other in found if other.what != what]
        if len(found) - len(rest) > 1 and trials.apart(rest) is not None:
            found = rest
    apart = trials.apart(found)
    if not found or apart is None:
        return ""
    entries = dict.fromkeys(ENTRIES[one.what] for one in found if one.what in ENTRIES)
    said = "; ".join(one.said for one in found)
    steps = trials.trainers[0].steps
    after = "a step" if steps == 1 else f"{steps} steps"
    text = f"{said}; without {'it' if len(found) == 1 else 'these'} all weights agree to {apart:.1e} after {after}"
    return text + (f"   (parity divergences {', '.join(entries)})" if entries else "")
