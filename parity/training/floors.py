"""The reference in training, and its noise floor at every step.

A framework stores each weight anew after each step, rounded to its dtype, and goes on from there. So does every copy
of the reference here: whenever a step has moved a weight, the copy's is multiplied by ``1 + u`` or ``1 - u`` at random,
and so are the floats of each batch. The floor at each step is what that comes to, as in `parity.checks.noise`:

    floor = rms over the copies of (copy - reference) + u |reference| + u rms(reference)

Weights that a step leaves alone are left alone here too, the pad row always: its floor is exactly 0, and it must end
as it began. To perturb the start alone would not do: in a framework, roundoff comes in at every step, and its error
over such a floor grows with the number of steps. To perturb what an optimiser keeps (velocity, m, v) as well changes
nothing to speak of. The norm of a framework's errors in all weights over that of their floors, median of all models
at seed 0; the others are SGD, momentum and Adam in both frameworks:

================  ========================  ========================  ========================
perturbed         the start                 at every step             and what is kept
----------------  ------------------------  ------------------------  ------------------------
after step        1     10    25    50      1     10    25    50      1     10    25    50
================  ====  ====  ====  ======  ====  ====  ====  ======  ====  ====  ====  ======
others            0.07  0.28  0.46  0.70    0.06  0.21  0.28  0.33    0.06  0.21  0.28  0.32
AdamW, PyTorch    0.20  1.1   2.5   4.8     0.18  0.61  1.1   1.6     0.18  0.60  1.1   1.6
AdamW, Keras      0.16  0.47  0.74  1.2     0.15  0.26  0.31  0.38    0.15  0.26  0.32  0.38
================  ====  ====  ====  ======  ====  ====  ====  ======  ====  ====  ====  ======

`torch.optim.AdamW` multiplies by ``1 - learning_rate * weight_decay``, rounded once: the same error at every step.

The limits are those of `parity.checks.noise`. In 176 runs of 50 steps (six seeds, every model and optimiser but for
the last of two seeds, 1376 scores), the largest were 9.4 for an element and 3.0 norm-wise.

All copies, and all optimisers too, ride along two leading axes of one run: what takes time is a sequence's way
through the model, not the width of what goes there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from parity import frameworks
from parity.arrays import ROUNDOFF, Array
from parity.caching import cached
from parity.checks.noise import COPIES, floor_of, response_of
from parity.errors import choose
from parity.operations import find
from parity.training.setup import DTYPE, MODELS, OPTIMISERS, Setup, Trajectory, check_numbers, training_setup


@dataclass(frozen=True, eq=False)
class Envelope:
    """The reference's training run, with the noise floor of each number."""

    expected: Trajectory
    floor: Trajectory


def envelope(model: str, steps: int, seed: int) -> Mapping[str, Envelope]:
    """Return the reference's training run and its noise floor for each optimiser, in float32.

    Raises:
        InputError: no such model, steps that are not 1 to 999, or a wrong seed.
    """
    check_numbers(steps, seed)
    return _envelopes(choose("model", model, MODELS), steps, seed)


@cached(maxsize=8)
def _envelopes(model: str, steps: int, seed: int) -> Mapping[str, Envelope]:
    setup = training_setup(model, steps, seed)
    runs = list(_Copies(setup, np.random.default_rng([seed, *model.encode()])).steps())
    losses = np.stack([run["loss"] for run in runs[:-1]])  # (N, optimisers, 1 + copies)
    paths = {name: np.stack([run[name] for run in runs]) for name in setup.start}
    return {
        name: _envelope(losses[:, at], {n: path[:, at] for n, path in paths.items()}, runs[-1]["logits"][at], setup)
        for at, name in enumerate(OPTIMISERS)
    }


def _envelope(losses: Array, paths: Mapping[str, Array], logits: Array, setup: Setup) -> Envelope:
    expected = Trajectory(losses[:, 0], {name: path[:, 0] for name, path in paths.items()}, logits[0])
    weights = {name: np.stack([_floor(runs) for runs in path]) for name, path in paths.items()}
    for name, row in setup.pad_rows.items():
        weights[name][:, row] = 0
    return Envelope(expected, Trajectory(np.array([_floor(runs) for runs in losses]), weights, _floor(logits)))


def _floor(runs: Array) -> Array:  # (1 + copies, ...)
    return floor_of(runs[0], response_of(runs), DTYPE)


class _Copies:
    """The reference and its perturbed copies, with every optimiser, trained at once.

    Arrays are (optimisers, 1 + copies, ...); the first copy is unperturbed.
    """

    def __init__(self, setup: Setup, rng: np.random.Generator) -> None:
        self.setup, self.rng = setup, rng
        self.lead = (len(OPTIMISERS), 1 + COPIES)
        self.reference: Any = frameworks.runtime("reference")
        self.optimiser: Any = import_module("parity.reference.optimiser")
        model = setup.cases[0].operation
        self.call = frameworks.call(find(model), MODELS[model], "reference", "")

    def steps(self) -> Iterator[dict[str, Array]]:
        """Yield for each batch the weights before its step, and the outputs."""
        weights = {name: self.stored(name, None, self.stacked(array)) for name, array in self.setup.start.items()}
        state = {name: np.zeros((2, *array.shape)) for name, array in weights.items()}
        for step, batch in enumerate(self.setup.batches, 1):
            outputs, gradients = self.run(batch, weights, step)
            yield {**weights, **outputs}
            for name, gradient in self.clipped(gradients).items():
                moved, state[name] = self.stepped(name, weights[name], gradient, state[name], step)
                weights[name] = self.stored(name, weights[name], moved)

    def run(
        self, batch: Mapping[str, Array], weights: dict[str, Array], step: int
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        floats = {name: self.perturbed(self.stacked(a)) for name, a in batch.items() if a.dtype.kind == "f"}
        last = step == len(self.setup.cases)
        output = "logits" if last else "loss"
        cotangents = {output: np.ones(self.lead + self.setup.cases[step - 1].cotangents[output].shape)}
        outputs, gradients, _ = self.reference.run(self.call, {**batch, **floats, **weights}, cotangents)
        return outputs, {} if last else {name: gradients[name] for name in weights}

    def clipped(self, gradients: dict[str, Array]) -> dict[str, Array]:
        """Clip the gradients of each optimiser that has a limit."""
        clipped = {name: gradient.copy() for name, gradient in gradients.items()}
        for at, optimiser in enumerate(OPTIMISERS.values()):
            if optimiser.clip_norm is not None:
                own = {name: gradient[at] for name, gradient in gradients.items()}
                for name, gradient in self.optimiser.clip(own, optimiser.clip_norm).items():
                    clipped[name][at] = gradient
        return clipped

    def stepped(self, name: str, weight: Array, gradient: Array, state: Array, step: int) -> tuple[Array, Array]:
        """Return a weight and its optimiser states after a step of every optimiser."""
        pad_row = self.setup.pad_rows.get(name)
        weights, states = [], []
        for at, optimiser in enumerate(OPTIMISERS.values()):
            rule, kept = self.optimiser.OPTIMISERS[optimiser.kind], tuple(state[:, at])
            moved, kept = rule(weight[at], gradient[at], kept, step, pad_row, **optimiser.settings)
            weights.append(moved)
            states.append(np.stack(kept))
        return np.stack(weights), np.stack(states, 1)

    def stored(self, name: str, before: Array | None, after: Array) -> Array:
        """Round the weights that a step has moved, at random in all copies but the first."""
        rounded = self.perturbed(after)
        if name in self.setup.pad_rows:
            row = self.setup.pad_rows[name]
            rounded[..., row, :] = after[..., row, :]
        return rounded if before is None else np.where(after == before, before, rounded)

    def perturbed(self, array: Array) -> Array:
        signs = self.rng.choice([-1.0, 1.0], array.shape)
        signs[:, 0] = 0
        return np.asarray(array * (1 + ROUNDOFF[DTYPE] * signs))

    def stacked(self, array: Array) -> Array:
        return np.broadcast_to(array.astype(np.float64), (*self.lead, *array.shape))
