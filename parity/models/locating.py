"""Locate the errors of what differs first over sequences and steps, and the masks of layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from parity.arrays import Array
from parity.checks.batch_errors import BatchErrors, batch_errors
from parity.checks.blame import LayerMask
from parity.checks.comparison import Difference
from parity.models.side import Layer

Observed = Mapping[str, Array]


def errors_of_first(differences: Sequence[Difference], lengths: Sequence[int]) -> BatchErrors | None:
    """Locate the errors of the first quantity that differs and has sequences."""
    located = (
        batch_errors(one.quantity, *one.sides, lengths) for one in differences if one.failed and one.sides is not None
    )
    return next((errors for errors in located if errors), None)


def errors_of_layer(
    path: str, before: Observed, after: Observed, floors: Observed | None, lengths: Sequence[int], changed: int
) -> BatchErrors | None:
    """Locate the errors of the first output of a layer that differs."""
    for name in (name for name in before if name in after):
        if floors is not None and name not in floors:
            continue
        floor = None if floors is None else floors[name]
        quantity = path if name == "output" else f"{path}, {name}"
        errors = batch_errors(quantity, after[name][: len(lengths)], before[name], floor, lengths, changed)
        if errors and any(error != 0 for row in errors.rows for error in row):
            return errors
    return None


def masks_of(layers: Sequence[Layer]) -> tuple[LayerMask, ...]:
    """Return the masks of layers in the order of calls, without cells; nothing where no layer has one."""
    calls = Counter(layer.path for layer in layers)
    masks: dict[str, LayerMask] = {}
    for layer in layers:
        if calls[layer.path] == 1 or layer.mask_in or layer.mask_out:  # a cell is called once a step
            masks.setdefault(layer.path, LayerMask(layer.path, layer.kind, layer.mask_in, layer.mask_out))
    return tuple(masks.values()) if any(one.received or one.passed_on for one in masks.values()) else ()
