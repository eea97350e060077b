"""The growth of differences in training, as a task for a runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parity.training.setup import MODELS, OPTIMISERS, STEPS, check_numbers
from parity.training.verdict import CONTRACT, growth


@dataclass(frozen=True)
class Curve:
    """One model and one optimiser; the verdict is what `growth` gives, and comes free behind `Training`."""

    model: str
    optimiser: str
    steps: int = STEPS
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.model}-growth-{self.optimiser}"

    @property
    def together(self) -> tuple[str, ...]:
        """With the training runs that it looks at."""
        return self.model, CONTRACT

    @property
    def cost(self) -> int:
        """Nothing: the runs are remembered."""
        return 0

    def run(self) -> list[dict[str, Any]]:
        """The curve; none where a framework cannot train the model, which the results of that run say."""
        try:
            return [growth(self.model, self.optimiser, steps=self.steps, seed=self.seed)]
        except Exception:  # whatever a framework raises
            return []

    def lost(self, _: str) -> list[dict[str, Any]]:
        """No curve; the results of its training runs say why."""
        return []


def curves(steps: int = STEPS, seed: int = 0) -> list[Curve]:
    """Every model with every optimiser.

    Raises:
        InputError: steps that are not 1 to 999, or a wrong seed.
    """
    check_numbers(steps, seed)
    return [Curve(model, optimiser, steps, seed) for model in MODELS for optimiser in OPTIMISERS]
