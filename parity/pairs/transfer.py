"""The result of a transfer: the weights of the target, where they come from, and the map of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, of_kind
from parity.pairs.maps import Map
from parity.pairs.running import Weights, made_of, weights_of

DIFFERS = 1e-7  # Keras rounds some constants to float32, in float64 too; that gives 3e-8


@dataclass(frozen=True)
class Row:
    """Two layers that stand for each other.

    Attributes:
        source, target: their names.
        kind: of both.
        rule: how the arrays of one become those of the other.
        shapes: role -> the shapes in the source and in the target; empty for one without the array.
        difference: of both alone on the same input in float64, relative to the largest number; None if not tried.
        configuration: setting -> its values in the source and the target, if they differ.
        note: why they were not tried, or differ in shape.
    """

    source: str
    target: str
    kind: str
    rule: str
    shapes: Mapping[str, tuple[tuple[int, ...], ...]]
    difference: float | None = None
    configuration: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    note: str = ""

    @property
    def differs(self) -> bool:
        """Tell whether the layers alone are not the same function."""
        return self.difference is not None and not self.difference <= DIFFERS

    def __str__(self) -> str:
        """Return one line."""
        text = f"{self.source} -> {self.target}: {self.kind}, {self.rule}"
        alone = "" if self.difference is None else f"; alone {self.difference:.1e} apart"
        settings = "".join(f"; {name} {own} / {theirs}" for name, (own, theirs) in self.configuration.items())
        return f"{'✗' if self.differs else '✓'} {text}{alone}{settings}{'; ' if self.note else ''}{self.note}"


@dataclass(frozen=True, eq=False)
class Transfer:
    """The weights of a source in the layout of a target; made by `transfer_weights`.

    Attributes:
        weights: the target's arrays by name, in its dtypes. Those that the transfer leaves alone are missing.
        table: one row for each pair of layers.
        notes: choices that were made, constants, and what was not transferred as it was not used or is ignored.
        map: the elements of the source of which each element of the target is the sum.
        inexact: names of the source's arrays that do not come back with the same bits, with the reason.
        source, target: both models.
        computed: names of the target's arrays that a user's function makes by more than copying and adding.
    """

    weights: Mapping[str, Array]
    table: Sequence[Row]
    notes: Sequence[str]
    map: Map
    inexact: Mapping[str, str]
    source: Weights = field(repr=False)
    target: Weights = field(repr=False)
    computed: Sequence[str] = ()

    @property
    def differing(self) -> list[Row]:
        """Return the layers that alone are not the same function: they differ in their configuration."""
        return [row for row in self.table if row.differs]

    def apply(self, target: object = None) -> None:
        """Set the weights of the target, or of another model that has the same arrays.

        Raises:
            InputError: a model that has other arrays, or computes one in a way that does not give the weights.
        """
        model = self.target if target is None else weights_of(made_of(target, "target"))
        shapes = model.numbering.shapes
        if list(shapes.values()) != list(self.target.numbering.shapes.values()):
            raise InputError("target", f"a model with {len(shapes)} arrays", "one with the target's names and shapes")
        names = dict(zip(self.target.numbering.shapes, shapes, strict=True))
        own = {names[name]: array for name, array in self.weights.items()}
        if not model.derived():
            model.assign(own)
            return
        dtypes = {name: array.dtype for name, array in self.weights.items()}
        directions = self.map.forward(self.source.directions(), dtypes) if self.source.derived() else {}
        restore = model.keep()
        try:
            model.assign(own, {names[name]: array for name, array in directions.items()})
        except InputError:
            restore()
            raise

    def gradients(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients of the source's parameters from those of the target's.

        Both of two biases that are added have the gradient of their sum. A parameter with several images in the
        target, as a tied one, has the sum of their gradients.

        Args:
            gradients: by the names of the target's parameters; some may be missing.

        Returns:
            float64 by the names of the source's parameters, for those that have an image with a gradient.

        Raises:
            InputError: a name that the target does not have, or another shape.
        """
        known = self.target.numbering.shapes
        for name, array in of_kind("gradients", gradients, Mapping, "arrays by name").items():
            if name not in known or np.shape(array) != known[name]:
                received = f"{name!r} with shape {np.shape(array)}"
                raise InputError(
                    "gradients", received, f"shape {known[name]}" if name in known else "a name of the target's"
                )
        mapped = {name: array for name, array in gradients.items() if name not in self.computed}
        return self.source.pulled_back(self.map.gradients(mapped))

    def __str__(self) -> str:
        """Return a line for each pair of layers, and the notes."""
        head = (
            f"{len(self.weights)} of {len(self.target.numbering.shapes)} arrays transferred, {len(self.table)} layers"
        )
        return "\n".join([head, *map(str, self.table), *(f"note: {note}" for note in self.notes)])
