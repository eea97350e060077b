"""Hold a model to contracts on the sequences of one seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array
from parity.checks.arrangements import is_reordered
from parity.checks.comparison import Difference, compare, difference, mismatch
from parity.errors import first_lines, message_of
from parity.models.axes import has_rows
from parity.models.contracts import CONTRACTS
from parity.models.inputs import Features
from parity.models.native import NotCompiled
from parity.models.observing import Quantities
from parity.models.reading import Reader
from parity.models.transformations import Declined, Setting, Transformation


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds a model to contracts in one dtype.

    Attributes:
        setting: the model on its sequences.
        before: what it gives in the base layout.
        floor: for each quantity, elementwise.
    """

    setting: Setting
    before: Quantities
    floor: Mapping[str, Array]

    def judge(self, contract: str) -> Iterator[tuple[Transformation, list[Difference]]]:
        """Try all transformations of a contract, until one fails.

        Raises:
            Declined: the contract does not apply; the message says why.
        """
        for transformation in CONTRACTS[contract].transformations(self.setting):
            try:
                differences = self._differences(transformation)
            except Declined:
                raise
            except NotCompiled as error:
                raise Declined(str(error)) from error
            except Exception as error:  # whatever a model raises is what there is to report
                differences = [mismatch("", f"raised {first_lines(message_of(error))}", "raised")]
            yield transformation, differences
            if any(one.failed for one in differences):
                return

    def reordered(self, transformation: Transformation) -> str:
        """Return the name of an output whose rows are right, and stand in another order; empty if there is none."""
        view = self.setting.view
        before = transformation.kept(self._compared_with(transformation), view)
        after = transformation.kept(view.observe(transformation.layouts), view)
        floors = self._floors(transformation, before)
        for name, axes in view.axes.items():
            if name in before and has_rows(axes) and is_reordered(after[name], before[name], floors[name]):
                return name
        return ""

    def _differences(self, transformation: Transformation) -> list[Difference]:
        if transformation.on_padding:
            return self._on_padding()
        if transformation.on_inputs:
            return self._on_inputs(transformation)
        if transformation.on_last:
            return self._on_last()
        own = self.setting.view
        view = transformation.view or own
        unreadable = [name for name in own.steps if not own.can_read(name, transformation.layouts)]
        if unreadable and not own.side.has_loss:  # else gradients are those of the loss
            raise Declined(f"{unreadable[0]} has a stride, and is compared where each sequence begins a row")
        runs = (view.run(layout, **transformation.options) for layout in transformation.layouts)
        after = transformation.kept(view.collected(transformation.layouts, runs), own)
        before = self._compared_with(transformation)
        before = transformation.kept(before, own)
        if transformation.mode or unreadable:  # without gradients, or without an output
            before = {name: array for name, array in before.items() if name in after}
        if not before:
            raise Declined("there is nothing to compare")
        floors = None if transformation.exact else self._floors(transformation, before)
        return compare(after, before, floors)

    def _compared_with(self, transformation: Transformation) -> Quantities:
        if transformation.recorded is not None:
            return transformation.recorded
        return self.setting.view.observe(transformation.against) if transformation.against else self.before

    def _floors(self, transformation: Transformation, before: Quantities) -> dict[str, Array]:
        kept = transformation.kept(dict(self.floor), self.setting.view)
        return {name: kept[name] for name in before}

    def _on_inputs(self, transformation: Transformation) -> list[Difference]:
        (layout,) = transformation.layouts
        ran = self.setting.view.run(layout, **transformation.options)
        nothing = np.zeros(0)
        return [
            mismatch(name, f"it writes to {name!r}")
            if name in ran.modified
            else difference(name, nothing, nothing, None)
            for name in sorted(self.setting.read)
        ]

    def _on_last(self) -> list[Difference]:
        view, nothing = self.setting.view, np.zeros(0)
        reader = Reader.of(view)
        if reader is None:
            raise Declined("sequences of two lengths or more, from 2 steps on, would tell")
        found = []
        for name in self.setting.read & set(view.inputs.arrays):
            steps = reader.unread(name)
            found.append(mismatch(name, _unread(name, steps)) if steps else difference(name, nothing, nothing, None))
        if not found:
            raise Declined("there is nothing to compare")
        return found

    def _on_padding(self) -> list[Difference]:
        view, base = self.setting.view, self.setting.base
        gradients = view.run(base).input_gradients
        return [
            difference(f"d_{name}", on_padding, np.zeros_like(on_padding), None)
            for name, spec in view.inputs.arrays.items()
            if isinstance(spec, Features)
            for real in [base.mask.reshape(*base.mask.shape, *(1 for _ in spec.shape))]
            for on_padding in [np.where(real, 0, gradients[name])]
        ]


def _unread(name: str, steps: int) -> str:
    which = "step" if steps == 1 else f"{steps} steps"
    return f"the last real {which} of {name!r} may change, and nothing does: lengths or a mask too short by {steps}?"
