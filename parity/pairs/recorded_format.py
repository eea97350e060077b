"""The files of a recording about a model's layers: a description in JSON, and the arrays to which it refers.

There is one about the model, with its weights layer by layer, and one for each seed, with outputs, gradients, their
response to noise, and what each layer receives and returns. A description from elsewhere may have anything in it, and
is checked for all that others rely on.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

Ref = int  # the number of an array
Refs = dict[str, Ref]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a description."""


class RecordedUnit(Part, frozen=True):
    """A `parity.pairs.units.Unit`; ``alone`` is what it returns alone, on an example of its inputs."""

    path: str
    kind: str
    size: tuple[int, ...]
    arrays: dict[str, tuple[Ref, ...]]
    part: str
    formula: dict[str, Any]
    settings: dict[str, Any]
    direction: str
    level: int
    alone: Ref | None


class RecordedRun(Part, frozen=True):
    """A `parity.pairs.observed.Observed`, and the SHA-256 of its batch."""

    batch: str
    order: dict[str, int]
    calls: dict[str, int]
    inputs: dict[str, tuple[Ref, ...] | None]
    outputs: tuple[Ref, ...]
    used: tuple[str, ...]


class RecordedModel(Part, frozen=True):
    """A model and its layers.

    Attributes:
        wide: the widest dtype in which it computes.
        has_loss: whether gradients are those of a loss.
        read: what it reads of batches.
        axes, steps: those of its outputs.
        separator: of its paths.
        values: array -> its numbers; with buffers of layers, without those of ``buffers``.
        aliases: other names of arrays.
        derived, trainable, buffers: names.
        units: its layers.
        unequal, full: what it gives for a batch with padding, and for one without, if it takes that.
        dependents: layer -> those that receive something else when it returns something else.
        rates: of dropout, by path.
        activations, settings: of layers, by path.
    """

    wide: str
    has_loss: bool
    read: tuple[str, ...]
    axes: dict[str, str]
    steps: dict[str, dict[int, int]]
    separator: str
    values: Refs
    aliases: dict[str, str]
    derived: tuple[str, ...]
    trainable: tuple[str, ...]
    buffers: tuple[str, ...]
    units: tuple[RecordedUnit, ...]
    unequal: RecordedRun
    full: RecordedRun | None
    dependents: dict[str, tuple[str, ...]]
    rates: dict[str, float]
    activations: dict[str, str]
    settings: dict[str, dict[str, Any]]


class RecordedTensor(Part, frozen=True):
    """The arrays that a layer receives or returns: its numbers, axes, steps after a stride, and its noise floor."""

    array: Ref
    letters: str
    steps: dict[int, int] | None
    floor: float | None


class RecordedLayer(Part, frozen=True):
    """A `parity.models.side.Layer`."""

    path: str
    kind: str
    inputs: dict[str, RecordedTensor]
    outputs: dict[str, RecordedTensor]
    mask_in: bool
    mask_out: bool


class RecordedQuantities(Part, frozen=True):
    """The quantities of a run in which some outputs have cotangents: in the widest dtype, their response, in others."""

    outputs: tuple[str, ...]
    expected: Refs
    response: Refs
    others: dict[str, Refs]


class RecordedSample(Part, frozen=True):
    """A model on the sequences of a seed."""

    inputs: str
    quantities: tuple[RecordedQuantities, ...]
    outputs: Refs
    layers: dict[str, RecordedLayer]


def whole(value: object) -> object:
    """Return a setting with tuples for the lists that JSON made of them."""
    return tuple(map(whole, value)) if isinstance(value, list) else value


def plain(value: object) -> object:
    """Return a setting as JSON has it, or as a text if it has nothing for it."""
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str) or value is None else named(value)


def named(value: object) -> str:
    return str(getattr(value, "__name__", None) or value)
