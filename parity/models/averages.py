"""Recognise how a loss is averaged, so that losses of several batches can be combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from parity.models.inputs import Labels
from parity.models.layouts import Layout
from parity.models.observing import AVERAGES, LOSS, View

CLOSE = 1e-4  # in float64, or in float32 alone; averages differ by more, as do lengths


def recognise_average(view: View, base: Layout) -> str:
    """Return how a loss is averaged: one of `AVERAGES`; the mean over real steps if it is none of them.

    A mean over sequences is right only for a loss of sequences, which have labels. Over steps it would weigh those of
    short sequences more.
    """
    whole = float(view.observe([base])[LOSS])
    alone = base.alone()
    runs = [view.run(layout) for layout in alone]
    over_sequences = any(isinstance(spec, Labels) for spec in view.inputs.arrays.values())
    for name in AVERAGES:
        if name == "mean over sequences" and not over_sequences:
            continue
        if _is_close(whole, float(replace(view, average=name).collected(alone, runs)[LOSS])):
            return name
    return "mean over sequences" if over_sequences else "mean over real steps"


def is_over_rows(view: View, base: Layout, layouts: Sequence[Layout]) -> bool:
    """Tell whether a loss is the mean of the means of sequences."""
    whole = float(view.observe([base])[LOSS])
    return _is_close(whole, float(replace(view, average="mean over sequences").observe(layouts)[LOSS]))


def _is_close(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=CLOSE, atol=0))
