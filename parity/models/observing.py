"""Observe a model on sequences in some layout, in one order whatever the layout."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.models.axes import collect, distribute, has_rows, recognise, subsampled, two_layouts
from parity.models.layouts import Layout, padded
from parity.models.sequences import Inputs, Sequences
from parity.models.side import Ran, Side

LOSS = "loss"
OVER_SEQUENCES = "mean over sequences"
Quantities = dict[str, Array]


def arrays_of(inputs: Inputs, sequences: Sequences, layout: Layout, fill: int | None = None) -> dict[str, Array]:
    """Return all arrays of a batch by name: those that the user describes, and those that follow from the layout."""
    mask, segments = layout.mask, layout.segments
    batch: dict[str, Array] = {
        "lengths": layout.lengths,
        "mask": mask,
        "drop": ~mask,
        "bias": np.where(mask, 0.0, -np.inf),
        "positions": layout.positions,
        "segments": segments,
        "block_mask": (segments[:, :, None] == segments[:, None, :]) & mask[:, :, None],
        "boundaries": layout.boundaries.astype(np.int32),
        "longest": np.asarray(max((len(place.columns) for place in layout.places), default=0)),
    }
    for name, own in sequences.arrays.items():
        if own[0].ndim:
            padding = inputs.padding(name, (layout.rows, layout.steps, *own[0].shape[1:]), fill)
            batch[name] = layout.spread(own, padding)
        else:
            ordered = sorted(layout.places, key=lambda place: (place.row, *place.columns[:1]))
            batch[name] = np.stack([own[place.sequence] for place in ordered])
    return batch


@dataclass(frozen=True, eq=False)
class View:
    """A model on the sequences of one seed, ready to be observed in any layout.

    Attributes:
        axes: the letters of each output; see `parity.models.axes`.
        average: how losses of several batches are combined; see `AVERAGES`.
        steps: for outputs with a stride, how many steps a sequence of each length has.
        names: output -> the name under which it is compared; all, under their own names, when empty.
        differentiated: whether runs have gradients.
    """

    side: Side
    inputs: Inputs
    sequences: Sequences
    axes: Mapping[str, str]
    dtype: str
    seed: int
    average: str = "sum"
    steps: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    differentiated: bool = True

    def run(self, layout: Layout, *, fill: int | None = None, **options: Any) -> Ran:
        """Run it on one batch, with gradients; the options are those of `parity.models.side.Side.run`."""
        batch = arrays_of(self.inputs, self.sequences, layout, fill)
        return self.side.run(batch, self.cotangent(layout), dtype=self.dtype, **options)

    def observe(self, layouts: Sequence[Layout], *, fill: int | None = None, **options: Any) -> Quantities:
        """Return outputs, loss and gradients in one order; of several batches, losses and gradients are combined."""
        return self.collected(layouts, (self.run(layout, fill=fill, **options) for layout in layouts))

    def collected(self, layouts: Sequence[Layout], runs: Iterable[Ran]) -> Quantities:
        """Read the outcome of runs into one order; of gradients, those of one run at a time are kept."""
        shares = [AVERAGES[self.average](self.sequences, layout, layouts) for layout in layouts]
        total = Total()
        light = []
        for share, ran in zip(shares, runs, strict=True):
            total.add(share, ran.gradients)
            light.append(replace(ran, gradients={}))
        found = self.outputs(layouts, light)
        first, lengths = light[0], self.sequences.lengths
        if first.loss is not None:
            found[LOSS] = np.asarray(
                sum(_part(share, ran.loss or 0.0) for share, ran in zip(shares, light, strict=True))
            )
        found |= {f"d_{name}": array for name, array in total.arrays.items()}
        for name, array in first.input_gradients.items():
            parts = [
                (layout, np.asarray(_part(share, ran.input_gradients[name])))
                for share, layout, ran in zip(shares, layouts, light, strict=True)
            ]
            found[f"d_{name}"] = collect(parts, "BT" + "." * (array.ndim - 2) if array.ndim > 1 else "B", lengths)
        return found

    def outputs(self, layouts: Sequence[Layout], runs: Sequence[Ran]) -> Quantities:
        """Read outputs into one order, without those whose axes are unknown, or which have no rows."""
        found = {}
        for name, axes in self.axes.items():
            if self.is_compared(name) and self.can_read(name, layouts):
                parts = [(layout, ran.outputs[name]) for layout, ran in zip(layouts, runs, strict=True)]
                label = self.names.get(name, name)
                found[label] = collect(parts, axes, self.sequences.lengths, self.steps.get(name))
        return found

    def can_read(self, name: str, layouts: Sequence[Layout]) -> bool:
        """Tell whether an output can be read: after a stride, if each sequence begins a row."""
        return name not in self.steps or all(layout.begins_rows for layout in layouts)

    def is_compared(self, name: str) -> bool:
        """Tell whether an output is compared: its axes are known, and it has rows."""
        return has_rows(self.axes.get(name, "?")) and (not self.names or name in self.names)

    def cotangent(self, layout: Layout) -> Cotangents | None:
        """Return the cotangents of all outputs in a layout; None for runs without gradients."""
        return Cotangents(self, layout) if self.differentiated else None


def _part(share: float, value: Any) -> Any:
    """Return a share of a loss or of a gradient; 0 of a mean over nothing, which is NaN."""
    return share * value if share else np.zeros_like(value)


class Total:
    """A sum of gradients, each times a share, without copies that are not needed: a model may be large."""

    def __init__(self) -> None:
        self.arrays: Quantities = {}
        self.count = 0

    def add(self, share: float, gradients: Mapping[str, Array]) -> None:
        """Add gradients times a share."""
        self.count += 1
        for name, gradient in gradients.items():
            scaled = gradient if share == 1 else np.asarray(_part(share, gradient))
            if self.count == 1:
                self.arrays[name] = scaled
            elif self.count == 2 or not gradient.ndim:  # the first one belongs to its run
                self.arrays[name] = np.asarray(self.arrays[name] + scaled)
            else:
                self.arrays[name] += scaled


@dataclass(frozen=True, eq=False)
class Cotangents:
    """Those of all outputs in a layout: each step of a sequence has its own in every layout, padding has 0."""

    view: View
    layout: Layout

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        axes = self.view.axes.get(name, "?")
        is_read = self.view.is_compared(name) and self.view.can_read(name, [self.layout])
        if not is_read or len(axes) != len(shape):
            return np.zeros(shape)
        label = self.view.names.get(name, name)
        rng = np.random.default_rng([self.view.seed, zlib.crc32(label.encode())])
        lengths = self.view.sequences.lengths
        own = self.view.steps.get(name)
        most = max(lengths) if own is None else max(own.values())
        steps = [most] * sum(map(axes.count, "TMRS"))
        rest = [size for letter, size in zip(axes, shape, strict=True) if letter == "."]
        return distribute(rng.standard_normal((len(lengths), *steps, *rest)), self.layout, axes, shape, own)


def _steps(sequences: Sequences, layout: Layout, less: int = 0) -> int:
    return sum(max(0, sequences.lengths[place.sequence] - less) for place in layout.places)


def _share_of_steps(sequences: Sequences, layout: Layout, layouts: Sequence[Layout]) -> float:
    return _steps(sequences, layout) / sum(_steps(sequences, each) for each in layouts)


def _share_of_shifted_steps(sequences: Sequences, layout: Layout, layouts: Sequence[Layout]) -> float:
    return _steps(sequences, layout, 1) / max(1, sum(_steps(sequences, each, 1) for each in layouts))


def _share_of_sequences(sequences: Sequences, layout: Layout, layouts: Sequence[Layout]) -> float:  # noqa: ARG001
    return len(layout.places) / sum(len(each.places) for each in layouts)


AVERAGES = {  # of a loss: the share that one of several batches has
    "sum": lambda *_: 1.0,
    "mean over real steps": _share_of_steps,
    "mean over real steps but the first of each sequence": _share_of_shifted_steps,
    OVER_SEQUENCES: _share_of_sequences,
}


def recognise_axes(view: View) -> View:
    """Return a view with the letters of the axes of all outputs, from two runs; and from more if there is a stride."""
    runs = two_layouts(view.sequences)
    shapes = [_shapes(replace(view, sequences=own), layout) for own, layout in runs]
    axes = recognise(shapes[0], shapes[1], runs)
    if not any("?" in letters for letters in axes.values()) or view.inputs.lengths.holes:
        return replace(view, axes=axes)
    try:
        axes, steps = subsampled(axes, {length: _shapes(view, layout) for length, layout in alone(view).items()})
    except Exception:  # a sequence may be too short, which the contracts about sequences alone will report
        return replace(view, axes=axes)
    return replace(view, axes=axes, steps=steps)


def alone(view: View) -> dict[int, Layout]:
    """Return a sequence of each length, alone and without padding."""
    layouts = padded(view.sequences.lengths, max(view.sequences.lengths)).alone()
    return {length: layout for length, layout in zip(view.sequences.lengths, layouts, strict=True) if length}


def _shapes(view: View, layout: Layout) -> dict[str, tuple[int, ...]]:
    batch = arrays_of(view.inputs, view.sequences, layout)
    ran = view.side.run(batch, lambda _, shape: np.zeros(shape), dtype=view.dtype)
    return {name: array.shape for name, array in ran.outputs.items()}
