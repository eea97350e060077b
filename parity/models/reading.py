"""Find the last real steps of sequences that a model does not read, as with lengths that are too short by one.

A model that ignores its padding may ignore more than that. One with a stride may leave out what does not fill a window,
at some lengths; lengths that are too short leave out as many steps at each. So sequences of several lengths are tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity.arrays import Array
from parity.models.axes import has_rows
from parity.models.inputs import Features, Labels
from parity.models.layouts import Layout, padded
from parity.models.observing import LOSS, View
from parity.models.sequences import Sequences

ROWS = 6  # sequences, each a step longer than the one before
MOST = 3  # steps that lengths may be too short by
FEWEST = 2  # sequences that tell
SAMPLES = 16  # ids, one of which is another
TRIES = 3  # other values: one of them may be no maximum, or of the same token


@dataclass(frozen=True, eq=False)
class Reader:
    """A model on sequences of several lengths.

    Attributes:
        view: the model on these sequences.
        layout: their batch.
        before: what it gives, in one order.
    """

    view: View
    layout: Layout
    before: Mapping[str, Array]

    @classmethod
    def of(cls, view: View) -> Reader | None:
        """Return the model on the first steps of the longest sequence; None if it is too short, or the only one."""
        spec, given = view.inputs.lengths, view.sequences.lengths
        longest = max(given)
        least = max(2, spec.shortest, min(MOST + 1, longest - 1))  # shorter ones may be read for want of others
        lengths = list(range(least, min(longest, least + ROWS - 1) + 1))
        if len(lengths) < FEWEST or len(given) < FEWEST:
            return None
        if spec.longest_first:
            lengths.reverse()
        whole = view.sequences.only([given.index(longest)])
        arrays = {
            name: tuple(array[:length] if array.ndim else array for length in lengths)
            for name, (array,) in whole.arrays.items()
        }
        is_graph = view.side.framework == "tensorflow"  # there is one with gradients already
        own = replace(view, sequences=Sequences(tuple(lengths), arrays), differentiated=is_graph)
        layout = padded(lengths, longest + 1)
        return cls(own, layout, _observed(own, layout))

    def unread(self, name: str) -> int:
        """Return how many of the last real steps of an input are not read, the same number in all sequences, or 0."""
        if isinstance(self.view.inputs.arrays[name], Labels):
            return 0
        by_outputs = _behind(
            [any(each) for each in zip(*self._tried(name, steps), strict=True)] for steps in range(MOST + 1)
        )
        if by_outputs is not None or LOSS not in self.before:
            return by_outputs or 0
        return _behind(self._read_by_loss(name, steps) for steps in range(MOST + 1)) or 0

    def _tried(self, name: str, steps: int) -> Iterator[list[bool]]:
        """Yield for other values, so many steps before the last, whether each long sequence reads them."""
        lengths = self.view.sequences.lengths
        rows = [row for row, length in enumerate(lengths) if length > steps]
        for number in range(TRIES):
            after = _observed(self._changed(name, steps, rows, number), self.layout)
            yield [any(self._reads(after, output, row, lengths[row] - 1 - steps) for output in after) for row in rows]

    def _reads(self, after: Mapping[str, Array], output: str, row: int, step: int) -> bool:
        """Tell whether an output of a sequence differs, at a step or before: behind it, steps may be shifted."""
        axes = self.view.axes.get(output, "")
        if output == LOSS or "S" in axes:
            return False
        one, other = self.before[output][row], after[output][row]
        if set("TMR") & set(axes):
            one, other = one[: step + 1], other[: step + 1]
        return not np.array_equal(one, other, equal_nan=one.dtype.kind == "f")

    def _read_by_loss(self, name: str, steps: int) -> list[bool]:
        """Tell whether the loss, where no output does, reads each long sequence so many steps before its last."""
        lengths = self.view.sequences.lengths
        return [self._loss_reads(name, steps, row) for row, length in enumerate(lengths) if length > steps]

    def _loss_reads(self, name: str, steps: int, row: int) -> bool:
        views = (self._changed(name, steps, [row], number) for number in range(TRIES))
        return any(_observed(view, self.layout)[LOSS] != self.before[LOSS] for view in views)

    def _changed(self, name: str, steps: int, rows: list[int], number: int) -> View:
        """Return the model with other values of an input, so many steps before the last one of some sequences."""
        spec, sequences = self.view.inputs.arrays[name], self.view.sequences
        own = [array.copy() for array in sequences.arrays[name]]
        rng = np.random.default_rng([number, 18])
        for row in rows:
            at = sequences.lengths[row] - 1 - steps
            others = spec.sample(rng, SAMPLES)
            if isinstance(spec, Features):
                own[row][at] = others[0] * 10.0**number
            else:
                own[row][at] = next((other for other in others if not np.array_equal(other, own[row][at])), others[0])
        arrays = {**sequences.arrays, name: tuple(own)}
        return replace(self.view, sequences=Sequences(sequences.lengths, arrays))


def _behind(readings: Iterable[list[bool]]) -> int | None:
    """Return behind how many steps all sequences are read: 0 if only some of them, None if none is read anywhere."""
    for steps, reading in enumerate(readings):
        if any(reading):
            return steps if all(reading) else 0
    return None


def _observed(view: View, layout: Layout) -> dict[str, Array]:
    """Return outputs and loss in one order."""
    ran = view.run(layout)
    found = {name: array for name, array in view.outputs([layout], [ran]).items() if has_rows(view.axes[name])}
    return found | ({} if ran.loss is None else {LOSS: np.asarray(ran.loss)})
