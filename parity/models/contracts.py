"""The contracts of a model by name: their promises, transformations and layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parity.models import transformations as of
from parity.models.transformations import Setting, Transformation


@dataclass(frozen=True)
class Contract:
    """A promise of a model.

    Attributes:
        promise: one sentence.
        transformations: yields the ways to try it; raises `Declined` where it does not apply.
        layout: the layout that has to be asked for, if any.
        asked_for: whether it is tried only if it is named.
        couples: whether it asks that rows of a batch do not affect each other, as BatchNorm lets them in training.
    """

    promise: str
    transformations: Callable[[Setting], Iterator[Transformation]]
    layout: str = "padded"
    asked_for: bool = False
    couples: bool = False


CONTRACTS: dict[str, Contract] = {
    "repeatable": Contract("twice the same run gives the same bits", of.repeatable),
    "ignores_padding": Contract("with other numbers and ids in the padding, every bit stays", of.ignores_padding),
    "ignores_extra_padding": Contract(
        "with more steps of padding, or less, everything stays", of.ignores_extra_padding, couples=True
    ),
    "independent_of_batchmates": Contract(
        "each sequence alone gives its row, and gradients add up", of.independent_of_batchmates, couples=True
    ),
    "follows_permutation": Contract("a batch in another order gives its rows in that order", of.follows_permutation),
    "zero_gradient_at_padding": Contract("gradients of float inputs are 0 on padding", of.repeatable),
    "accepts_empty_sequences": Contract(
        "a sequence without steps disturbs no other", of.accepts_empty_sequences, asked_for=True, couples=True
    ),
    "same_on_either_side": Contract(
        "padded on the left, with positions and masks to match, everything stays", of.same_on_either_side, "left"
    ),
    "same_with_holes": Contract(
        "with padding between the steps, and positions and masks to match, everything stays",
        of.same_with_holes,
        "holes",
    ),
    "same_when_packed": Contract(
        "with several sequences in a row, outputs, loss and every gradient stay",
        of.same_when_packed,
        "packed",
        couples=True,
    ),
    "independent_of_documents": Contract(
        "other values in one sequence of a row change no bit of the others",
        of.independent_of_documents,
        "packed",
        couples=True,
    ),
    "same_in_every_mode": Contract(
        "without gradients, or in another mode of its framework, outputs are the same", of.same_in_every_mode
    ),
}
