"""A recording of a model in place of the model: its weights by layer, and the runs that were recorded.

It runs on no other batch, and keeps its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, NoReturn

from parity.arrays import Array
from parity.errors import InputError
from parity.frameworks.manifest import rejected
from parity.frameworks.model_manifest import LAYERS, layers_file
from parity.models.replaying import ModelRecording, opened
from parity.models.sequences import Inputs
from parity.pairs.recorded_files import read_description
from parity.pairs.recorded_format import RecordedModel, RecordedSample, RecordedUnit
from parity.pairs.recorded_weights import CANNOT, RecordedWeights
from parity.pairs.recording_samples import batch_digest
from parity.pairs.running import Runnable, both_batches


@dataclass(eq=False)
class Recorded:
    """A recording of a model with its layers.

    Attributes:
        name: of the argument for which it was given.
        recording: its folder and manifest.
        described, arrays: the model.
    """

    name: str
    recording: ModelRecording
    described: RecordedModel
    arrays: list[Array]
    samples: dict[int, tuple[RecordedSample, list[Array]]] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str, folder: str | PathLike[str]) -> Recorded:
        """Open a recording.

        Raises:
            InputError: there is none, it was changed, or it has no layers.
        """
        recording = opened(str(folder))
        manifest = recording.manifest
        if not manifest.layers:
            received = f"{str(folder)!r}, of a model without layers ({manifest.lacking or 'by an earlier version'})"
            raise rejected(received, "a recording of a model with weights", "recording")
        described, arrays = read_description(recording.folder / LAYERS, manifest.files[LAYERS], RecordedModel)
        _check(recording, described, arrays)
        return cls(name, recording, described, arrays)

    @cached_property
    def side(self) -> RecordedSide:
        return RecordedSide(self)

    @cached_property
    def weights(self) -> RecordedWeights:
        return RecordedWeights(self)

    def sample(self, seed: int) -> tuple[RecordedSample, list[Array]]:
        """Read what the model gave for a seed."""
        if seed not in self.samples:
            name = layers_file(seed)
            path = self.recording.folder / name
            found = read_description(path, self.recording.manifest.files[name], RecordedSample)
            if not _is_whole(*found):
                raise rejected(f"{str(path)!r}, which refers to arrays that it lacks", argument="recording")
            self.samples[seed] = found
        return self.samples[seed]

    def runnable(self, inputs: Inputs) -> Runnable:
        """Return it as a model that runs on the recorded batches."""
        unequal, full = both_batches(inputs)
        if batch_digest(unequal) != self.described.unequal.batch:
            raise self.refused("one of other inputs or lengths")
        return Runnable(self.weights, unequal, full, self.described.wide)

    def refused(self, received: str) -> InputError:
        return InputError("recording", f"{received} ({self.name})", "one of the same inputs and options")


def recorded_of(model: object, name: str) -> Recorded | None:
    """Return the recording that stands for a model, opened if its folder is given; None for a model."""
    if isinstance(model, Recorded):
        return model
    return Recorded.open(name, model) if isinstance(model, str | PathLike) else None


class RecordedSide:
    """A `parity.models.side.Side` that does not run."""

    factory: Callable[[], Any] | None = None
    response: Callable[..., Mapping[str, Array]] | None = None
    whole_masks, call = False, None
    narrow, leaves_out, is_of_sequences = "", False, False
    modes: tuple[str, ...] = ("recorded",)

    def __init__(self, recorded: Recorded) -> None:
        manifest = recorded.recording.manifest
        self.model, self.framework, self.name = recorded, manifest.framework, manifest.model
        self.read, self.training = set(recorded.described.read), manifest.training
        self.has_loss = recorded.described.has_loss

    def take_as_loss(self, output: str) -> None:
        """Leave the loss as it was recorded."""

    def run(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse to run.

        Raises:
            InputError: always.
        """
        raise InputError(self.model.name, CANNOT, "a model")

    def weights(self) -> list[tuple[str, Array]]:
        """Return the names and values of all weights."""
        return list(self.model.weights.arrays().items())

    load = run

    def dropouts(self) -> list[str]:
        """Return no paths: dropout is known by its rates only."""
        return []

    batch_norms = dropouts


def _check(recording: ModelRecording, described: RecordedModel, arrays: Sequence[Array]) -> None:
    """Check that a description refers to arrays that there are, and layers to weights that there are."""
    refs = [*described.values.values(), *(ref for unit in described.units for ref in _refs(unit))]
    for run in (described.unequal, described.full):
        refs += [] if run is None else [*run.outputs, *(ref for own in run.inputs.values() for ref in own or ())]
    size = 0
    if all(0 <= ref < len(arrays) for ref in refs):
        size = sum(arrays[ref].size for ref in described.values.values())
        ids = [arrays[ref] for unit in described.units for own in unit.arrays.values() for ref in own]
        if all(a.dtype.kind == "i" and a.min(initial=0) >= 0 and a.max(initial=-1) < size for a in ids):
            return
    raise rejected(f"{str(recording.folder)!r}, whose layers refer to numbers that it lacks", argument="recording")


def _is_whole(sample: RecordedSample, arrays: Sequence[Array]) -> bool:
    """Tell whether a description of a run refers to arrays that there are, with a response for each quantity."""
    tensors = [t for layer in sample.layers.values() for t in (*layer.inputs.values(), *layer.outputs.values())]
    groups = [refs for own in sample.quantities for refs in (own.expected, own.response, *own.others.values())]
    refs = [*sample.outputs.values(), *(t.array for t in tensors), *(ref for own in groups for ref in own.values())]
    if not all(0 <= ref < len(arrays) for ref in refs):
        return False
    return all(
        name in own.response and arrays[own.response[name]].shape == arrays[ref].shape
        for own in sample.quantities
        for name, ref in own.expected.items()
    )


def _refs(unit: RecordedUnit) -> list[int]:
    alone = [] if unit.alone is None else [unit.alone]
    return [*alone, *(ref for own in unit.arrays.values() for ref in own)]
