"""The weights and layers of a recording of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from parity.arrays import Array
from parity.errors import InputError
from parity.models.side import Side
from parity.pairs.maps import Ids, Numbering
from parity.pairs.observed import Observed
from parity.pairs.recorded_format import RecordedRun, RecordedUnit, whole
from parity.pairs.recording_samples import batch_digest
from parity.pairs.running import Batch
from parity.pairs.units import Alone, Unit

if TYPE_CHECKING:
    from parity.pairs.recorded import Recorded

SAME = 2.0**-20  # of the largest number: weights that are equal but for the rounding of a sum to float32
CANNOT = "a recording, which runs on what was recorded only"


class RecordedWeights:
    """The weights and layers of a recording, as `parity.pairs.running.Weights`.

    Others can be assigned; what it gives is known only while they are equal to its own.
    """

    def __init__(self, recorded: Recorded) -> None:
        described, own = recorded.described, recorded.side
        self.recorded, self.side = recorded, cast(Side, own)
        self.framework, self.separator = self.side.framework, described.separator
        self.own = {name: recorded.arrays[ref].astype(np.float64) for name, ref in described.values.items()}
        self.current = dict(self.own)
        self.numbering = Numbering({name: array.shape for name, array in self.own.items()})
        self.aliases = described.aliases

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        return dict(self.current)

    def directions(self) -> dict[str, Array]:
        """Return all arrays by name: those of computed ones were not recorded."""
        return self.arrays()

    def assign(self, arrays: Mapping[str, Array], directions: Mapping[str, Array] | None = None) -> None:  # noqa: ARG002
        """Take arrays by name for those that it has."""
        self.current.update(arrays)

    def keep(self) -> Callable[[], None]:
        """Return a function that gives it the weights back that it has now."""
        before = self.arrays()
        return lambda: self.assign(before)

    def derived(self) -> set[str]:
        """Return the names of weights that were computed from several parameters."""
        return set(self.recorded.described.derived)

    def components(self) -> dict[str, list[str]]:
        """Return no names: what they were computed from was not recorded."""
        return {}

    def trainable(self) -> set[str]:
        """Return the names of arrays with gradients."""
        return set(self.recorded.described.trainable)

    def pulled_back(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return gradients, without those of weights that were computed."""
        return {name: array for name, array in gradients.items() if name not in self.derived()}

    def buffers(self) -> list[str]:
        """Return the names of buffers that are no weights."""
        return list(self.recorded.described.buffers)

    def units(self) -> list[Unit]:
        """Return all layers with weights, in the order in which they were registered."""
        return [self._unit(unit) for unit in self.recorded.described.units]

    def _unit(self, unit: RecordedUnit) -> Unit:
        arrays = {role: tuple(map(self._ids, refs)) for role, refs in unit.arrays.items()}
        formula, settings = ({k: whole(v) for k, v in own.items()} for own in (unit.formula, unit.settings))
        alone = None if unit.alone is None else self._alone(self.recorded.arrays[unit.alone])
        size, level = unit.size, unit.level
        return Unit(unit.path, unit.kind, size, arrays, unit.part, formula, settings, alone, unit.direction, level)

    def _ids(self, ref: int) -> Ids:
        return self.recorded.arrays[ref].astype(np.int64)

    def _alone(self, returned: Array) -> Alone:
        def alone(values: Mapping[str, Array], _: Mapping[str, Array]) -> Array:
            self._check(values)
            return returned

        return alone

    def _check(self, values: Mapping[str, Array]) -> None:
        """Check that weights are those that were recorded."""
        for name, array in values.items():
            largest = np.max(np.abs(self.own[name]), initial=1e-30)
            if not np.max(np.abs(array - self.own[name]), initial=0.0) <= SAME * largest:
                raise InputError(self.recorded.name, f"{CANNOT}, with other weights", "its own")

    def observe(self, batch: Batch, dtype: str) -> Observed:  # noqa: ARG002 - it is the widest
        """Return the recorded run on a batch.

        Raises:
            InputError: it was not recorded, or other weights were assigned.
        """
        self._check(self.current)
        described, digest = self.recorded.described, batch_digest(batch)
        for run in (described.unequal, described.full):
            if run is not None and run.batch == digest:
                return self._observed(run)
        raise self.recorded.refused("one of other inputs or lengths")

    def _observed(self, run: RecordedRun) -> Observed:
        every = self.recorded.arrays
        inputs = {path: None if refs is None else [every[ref] for ref in refs] for path, refs in run.inputs.items()}
        return Observed(dict(run.order), inputs, Counter(run.calls), [every[ref] for ref in run.outputs], set(run.used))

    def dependents(self, batch: Batch, dtype: str, paths: Sequence[str]) -> dict[str, set[str]]:  # noqa: ARG002
        """Return the layers that receive something else when one of these returns something else."""
        found = self.recorded.described.dependents
        return {path: set(found.get(path, ())) for path in paths}
