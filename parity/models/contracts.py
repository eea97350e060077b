"""The contracts of a model by name: their promises, transformations and layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from parity.models import transformations as of
from parity.models.transformations import ALWAYS, Setting, Transformation


@dataclass(frozen=True)
class Contract:
    """A promise of a model.

    Attributes:
        promise: one sentence.
        otherwise: what a model does that breaks it.
        transformations: yields the ways to try it; raises `Declined` where it does not apply.
        layout: the layout that has to be asked for, if any.
        asked_for: whether it is tried only if it is named.
        couples: whether it asks that rows of a batch do not affect each other, as BatchNorm lets them in training.
    """

    promise: str
    otherwise: str
    transformations: Callable[[Setting], Iterator[Transformation]]
    layout: str = "padded"
    asked_for: bool = False
    couples: bool = False


RECORDING = "recording"  # in place of a layout
LEFT = "same_on_either_side"

CONTRACTS: dict[str, Contract] = {
    "repeatable": Contract("twice the same run gives the same bits", "differs from run to run", of.repeatable),
    "keeps_inputs": Contract("inputs are not written to", "modifies its input", of.keeps_inputs),
    "ignores_padding": Contract(
        "with other numbers and ids in the padding, every bit stays", "reads padding", of.ignores_padding
    ),
    "ignores_extra_padding": Contract(
        "with more steps of padding, or less, everything stays",
        "depends on how much padding there is",
        of.ignores_extra_padding,
    ),
    "reads_last_step": Contract(
        "another value on the last real step of a sequence changes what it gives",
        "ignores the last real step of each sequence",
        of.reads_last_step,
    ),
    "independent_of_batchmates": Contract(
        "each sequence alone gives its row, and gradients add up",
        "depends on batch-mates",
        of.independent_of_batchmates,
        couples=True,
    ),
    "follows_permutation": Contract(
        "a batch in another order gives its rows in that order",
        "depends on the order of the batch",
        of.follows_permutation,
    ),
    "zero_gradient_at_padding": Contract(
        "gradients of float inputs are 0 on padding", "lets gradients reach padding", of.zero_gradient_at_padding
    ),
    "accepts_empty_sequences": Contract(
        "a sequence without steps disturbs no other",
        "is disturbed by an empty sequence",
        of.accepts_empty_sequences,
        asked_for=True,
        couples=True,
    ),
    "same_on_either_side": Contract(
        "with padding on the left, whatever its values, and positions and masks to match, everything stays",
        "depends on the side of the padding",
        of.same_on_either_side,
        "left",
    ),
    "same_with_holes": Contract(
        "with padding between the steps, and positions and masks to match, everything stays",
        "depends on holes in the mask",
        of.same_with_holes,
        "holes",
    ),
    "same_when_packed": Contract(
        "with several sequences in a row, outputs, loss and every gradient stay",
        "differs when sequences are packed",
        of.same_when_packed,
        "packed",
        couples=True,
    ),
    "independent_of_documents": Contract(
        "other values in one sequence of a row change no bit of the others",
        "lets packed documents see each other",
        of.independent_of_documents,
        "packed",
        couples=True,
    ),
    "same_in_every_mode": Contract(
        "without gradients, or in another mode of its framework, outputs are the same",
        "differs from mode to mode",
        of.same_in_every_mode,
    ),
    "same_when_compiled": Contract(
        "compiled by torch.compile or XLA, outputs and every gradient stay",
        "differs when it is compiled",
        of.same_when_compiled,
        asked_for=True,
    ),
    "agrees_with_recording": Contract(
        "outputs and every gradient are those that were recorded elsewhere, or earlier",
        "differs from the recording",
        of.agrees_with_recording,
        RECORDING,
    ),
}


def usual_contracts(layouts: Iterable[str] = ()) -> list[str]:
    """Return the names of contracts that are tried where none is named, with those of more layouts."""
    wanted = {*ALWAYS, *layouts}
    return [name for name, one in CONTRACTS.items() if one.layout in wanted and not one.asked_for]
