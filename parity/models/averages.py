"""Recognise how a loss is averaged, so that losses of several batches can be combined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity.arrays import Array
from parity.models.inputs import Labels
from parity.models.layouts import Layout
from parity.models.observing import AVERAGES, LOSS, OVER_SEQUENCES, View

CLOSE = 1e-4  # in float64, or in float32 alone; averages differ by more, as do lengths


def recognise_average(view: View, base: Layout) -> tuple[str, bool]:
    """Return how a loss is averaged, and whether that is the mean over sequences of a loss of steps.

    A mean over sequences is right for a loss of sequences, which have labels, or one that is a sum over their steps,
    as a likelihood is. Of means over steps it would weigh those of short sequences more. If it is that, or none of
    `AVERAGES`, it should be the mean over real steps.
    """
    whole = float(view.observe([base])[LOSS])
    alone = base.alone()
    runs = [replace(view.run(layout), gradients={}, input_gradients={}) for layout in alone]
    fitting = [
        name for name in AVERAGES if _is_close(whole, float(replace(view, average=name).collected(alone, runs)[LOSS]))
    ]
    each = np.asarray([ran.loss for ran in runs], np.float64)
    if _are_sums(each, np.asarray([view.sequences.lengths[layout.places[0].sequence] for layout in alone])):
        fitting.sort(key=lambda name: name != OVER_SEQUENCES)
        return (*fitting, "mean over real steps")[0], False
    if view.side.is_of_sequences or any(isinstance(spec, Labels) for spec in view.inputs.arrays.values()):
        return (*fitting, OVER_SEQUENCES)[0], False
    right = [name for name in fitting if name != OVER_SEQUENCES]
    return (*right, "mean over real steps")[0], OVER_SEQUENCES in fitting


def _are_sums(losses: Array, lengths: Array) -> bool:
    """Tell whether the losses of sequences grow with their lengths: a loss for each step varies less."""
    real = lengths > 0
    if len(set(lengths[real])) < 2 or not np.isfinite(losses[real]).all() or (losses[real] <= 0).any():
        return False
    return _variation(losses[real] / lengths[real]) < _variation(losses[real]) / 2


def _variation(values: Array) -> float:
    return float(np.std(values) / np.mean(values))


def _is_close(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=CLOSE, atol=0))
