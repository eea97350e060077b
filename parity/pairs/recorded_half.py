"""A recording as one of both models of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from parity.arrays import Array
from parity.errors import InputError
from parity.models.floors import Floors
from parity.models.observing import Quantities
from parity.models.sequences import Inputs
from parity.models.tracing import Tracer
from parity.models.transformations import Setting
from parity.pairs.halves import DOUBLE, Half
from parity.pairs.randomness import Dropouts
from parity.pairs.recorded import Recorded
from parity.pairs.recorded_format import RecordedQuantities, RecordedSample
from parity.pairs.recorded_layers import RecordedLayers, RecordedTracer
from parity.pairs.recording_samples import setting_digest


@dataclass(eq=False)
class RecordedHalf(Half):
    """A recording on the left or on the right."""

    runs: ClassVar[bool] = False

    @classmethod
    def of(cls, recorded: Recorded, inputs: Inputs, training: bool) -> RecordedHalf:
        """Return a recording as a side of a pair.

        Raises:
            InputError: it is one of another mode, or of other inputs.
        """
        if recorded.side.training != training:
            modes = ("inference", "training")
            raise recorded.refused(f"one in the mode of {modes[not training]}, for {modes[training]}")
        recorded.runnable(inputs)
        dropped = Dropouts(dict(recorded.described.rates)) if training else None
        return cls(recorded.name, recorded.weights.side, recorded.weights, recorded.described.wide, dropped=dropped)

    @property
    def recorded(self) -> Recorded:
        found: Recorded = self.model
        return found

    @property
    def caveat(self) -> str:
        """Say what cannot be had of it."""
        return f"{self.name}: {self.recorded.recording}; its contracts and other settings of its layers are not tried"

    @cached_property
    def framework(self) -> RecordedLayers:
        """Return what is known about its layers."""
        return RecordedLayers(self.recorded)

    def rates(self) -> Dropouts:
        """Return the rates of dropout that were recorded."""
        return Dropouts(dict(self.recorded.described.rates))

    def check(self, seeds: int, dtype: str, steps: int) -> None:
        """Check that there is what a check asks for.

        Raises:
            InputError: fewer seeds, another dtype, or training.
        """
        if steps:
            instead = "0, or two models in one process: a recording has one batch, and nothing that could be trained"
            raise InputError("steps", f"{steps} for the {self.name} side, a recording", instead)
        manifest = self.recorded.recording.manifest
        if seeds > manifest.seeds:
            raise InputError("seeds", f"{seeds} for a recording of {manifest.seeds}", f"at most {manifest.seeds}")
        if dtype not in (*manifest.dtypes, DOUBLE):
            raise InputError("dtype", f"{dtype!r} for a recording in {' and '.join(manifest.dtypes)}", "one of these")

    def recognise(self, inputs: Inputs) -> None:  # noqa: ARG002
        """Take the axes that were recorded."""
        self.axes, self.steps = self.recorded.described.axes, self.recorded.described.steps

    def measure(self, inputs: Inputs) -> None:
        """Leave the precision as it was recorded."""

    def floors(self, setting: Setting) -> Floors:
        """Return what was recorded in the widest dtype, with the response to noise."""
        parts = self._parts(setting)
        return Floors(
            _joined([own.expected for own, _ in parts], parts), _joined([own.response for own, _ in parts], parts)
        )

    def observed(self, setting: Setting, mode: str = "eager") -> Quantities:  # noqa: ARG002 - it was recorded in one
        """Return what was recorded in the dtype of a setting."""
        parts = self._parts(setting)
        return _joined([own.others.get(setting.view.dtype, {}) for own, _ in parts], parts)

    def _sample(self, setting: Setting) -> tuple[RecordedSample, list[Array]]:
        sample, arrays = self.recorded.sample(setting.view.seed)
        if sample.inputs != setting_digest(setting):
            raise self.recorded.refused(f"one of other inputs or lengths for seed {setting.view.seed}")
        return sample, arrays

    def _parts(self, setting: Setting) -> list[tuple[RecordedQuantities, list[Array]]]:
        """Return the runs in which the compared outputs have cotangents; their gradients add up."""
        sample, arrays = self._sample(setting)
        wanted = set(self.names)
        return [(own, arrays) for own in sample.quantities if self.side.has_loss or set(own.outputs) <= wanted]

    def tracer(self, inputs: Inputs, seed: int, dtype: str = "") -> Tracer:  # noqa: ARG002 - they are in one
        """Return what was recorded of its layers."""
        setting = self.setting(inputs, seed, self.wide)
        return RecordedTracer(setting, self.wide, sample=self._sample(setting))


def _joined(each: list[dict[str, int]], parts: list[tuple[RecordedQuantities, list[Array]]]) -> Quantities:
    """Return outputs, and the sums of gradients."""
    found: Quantities = {}
    for refs, (_, arrays) in zip(each, parts, strict=True):
        for name, ref in refs.items():
            array = arrays[ref]
            found[name] = found[name] + array if name in found and found[name].shape == array.shape else array
    return found
