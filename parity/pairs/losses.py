"""Recognise the losses of both models, from their outputs and the whole numbers that the batch has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.arrays import Array, Mask
from parity.models.observing import LOSS, arrays_of
from parity.pairs.comparing import Seen

EXACT = 1e-11  # of the loss, in float64
ENTRIES = {  # of divergences, by what the name of one loss has and that of the other lacks
    "label smoothing": "loss.label_smoothing",
    "all steps, padding included": "loss.denominator",
}
SMOOTHINGS = (0.0, 0.1, 0.2, 0.05, 0.01)
Weights = Mapping[str, Array]


def recognised_losses(seen: tuple[Seen, Seen]) -> str:
    """Say which loss each model has; nothing if they are not known."""
    ordered = [list(dict.fromkeys(_names(one))) for one in seen]
    alone = [[name for name in ordered[n] if name not in ordered[1 - n]] for n in (0, 1)]
    if not alone[0] or not alone[1]:
        return ""
    own, theirs = alone[0][0], alone[1][0]
    entry = next((entry for text, entry in ENTRIES.items() if (text in own) != (text in theirs)), "")
    said = f"the loss left is {own}, right {theirs} (both reproduced to 1e-11)"
    return said + (f"   (parity divergences {entry})" if entry else "")


def _names(seen: Seen) -> Iterator[str]:
    """Yield the names of the losses that a model may have."""
    if not seen.half.runs:
        return
    setting = seen.setting
    layout = setting.base
    ran = setting.view.run(layout)
    batch = arrays_of(setting.view.inputs, setting.view.sequences, layout)
    loss = float(seen.expected[LOSS])
    wholes = {name: batch[name] for name in setting.view.inputs.arrays if batch[name].dtype.kind in "iu"}
    for output in ran.outputs.values():
        for target in wholes.values():
            for name, value in losses(np.asarray(output, np.float64), target, layout.mask):
                if np.isfinite(value) and abs(value - loss) <= EXACT * max(abs(loss), 1e-30):
                    yield name


def losses(output: Array, target: Array, mask: Mask) -> Iterator[tuple[str, float]]:
    """Yield cross entropies of an output (B, C) and labels (B,), or (B, T, C) and ids (B, T), by their names.

    >>> names = dict(losses(np.zeros((1, 2)), np.zeros(1, int), np.ones((1, 1), bool)))
    >>> round(names["the cross entropy, the mean over sequences"], 4)
    0.6931
    """
    if output.ndim == 3 and output.shape[1] != mask.shape[1] and output.shape[2] == mask.shape[1]:
        output = output.swapaxes(1, 2)  # classes before steps
    if output.ndim not in (2, 3) or target.shape != output.shape[:-1]:
        return
    for shift in (0, 1) if output.ndim == 3 and output.shape[1] > 1 else (0,):
        steps = output.shape[1] - shift if output.ndim == 3 else None
        logits = output[:, :steps] if shift else output
        wanted = target[:, shift:] if shift else target
        is_class = (wanted >= 0) & (wanted < logits.shape[-1])  # others are ignored
        real = mask[:, shift:] if shift else mask
        if output.ndim == 3:
            real, wanted = real & is_class, np.where(is_class, wanted, 0)
        if not real.any() or (output.ndim == 2 and not is_class.all()):
            continue
        of_next = " of the next step" if shift else ""
        with np.errstate(all="ignore"):
            for name, each in _entropies(logits, wanted):
                for reduction, value in _reduced(each, real if output.ndim == 3 else None):
                    yield f"the cross entropy{of_next}{name}, {reduction}", float(value)


def _entropies(logits: Array, target: Array) -> Iterator[tuple[str, Array]]:
    """Yield the cross entropy of each item, of logits and of what else outputs may be."""
    count = logits.shape[-1]
    chosen = np.eye(count)[target]
    readings = {
        "": _log_softmax(logits),
        " of a second softmax": _log_softmax(np.exp(_log_softmax(logits))),
        " of outputs taken as probabilities": np.log(logits),
        " of outputs taken as logarithms": logits,
    }
    for reading, logs in readings.items():
        for smoothing in SMOOTHINGS:
            wanted = chosen * (1 - smoothing) + smoothing / count
            name = f"{reading}, label smoothing {smoothing:g}" if smoothing else reading
            yield name, -np.sum(np.where(wanted > 0, wanted * logs, 0.0), axis=-1)


def _log_softmax(x: Array) -> Array:
    moved = x - x.max(axis=-1, keepdims=True)
    return np.asarray(moved - np.log(np.exp(moved).sum(axis=-1, keepdims=True)))


def _reduced(each: Array, mask: Mask | None) -> Iterator[tuple[str, Array]]:
    """Yield the usual means and sums."""
    if mask is None:
        yield "the mean over sequences", each.mean()
        yield "the sum over sequences", each.sum()
        return
    real = np.where(mask, each, 0.0)
    yield "the mean over real steps", real.sum() / mask.sum()
    yield "the sum over real steps", real.sum()
    yield "the sum over real steps divided by all steps, padding included", real.sum() / mask.size
    yield "the sum over real steps divided by the number of sequences", real.sum() / len(mask)
    yield "the mean over all steps, padding included", each.mean()
    yield "the sum over all steps, padding included", each.sum()
    yield "the mean over sequences of the mean over real steps", (real.sum(1) / np.maximum(1, mask.sum(1))).mean()
    yield "the mean over sequences of the mean over all steps, padding included", each.mean(1).mean()
