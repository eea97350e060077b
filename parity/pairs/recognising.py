"""Recognise what each model computes between two of its layers, from the numbers that leave one and enter the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from parity.arrays import Array, Mask
from parity.models.side import Ran
from parity.pairs.first_difference import Component, FirstDifference, Traces

EXACT = 1e-11  # of the largest number, in float64
Elementwise = Callable[[Array], Array]


def _erf(x: Array) -> Array:
    from math import erf

    return np.asarray(np.vectorize(erf, otypes=[float])(x))


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _leaky(slope: float) -> Elementwise:
    return lambda x: np.where(x > 0, x, slope * x)


def _halves(x: Array) -> Array:
    return np.concatenate(np.split(x, 2, axis=-1)[::-1], axis=-1) if x.shape[-1] % 2 == 0 else x


ELEMENTWISE: dict[str, Elementwise] = {
    "these as they are": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "exact gelu": lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))),
    "gelu with tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid of Keras 3 and PyTorch": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid of Keras 2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softmax": _softmax,
    "log_softmax": lambda x: np.log(_softmax(x)),
    "softmax of the softmax": lambda x: _softmax(_softmax(x)),
    **{f"leaky_relu with slope {slope:g}": _leaky(slope) for slope in (0.01, 0.1, 0.2, 0.3)},
    "the halves of its channels exchanged": _halves,
    "its product with the root of its size": lambda x: x * np.sqrt(x.shape[-1]),
    "its quotient by the root of its size": lambda x: x / np.sqrt(x.shape[-1]),
}


def _last_real(x: Array, mask: Mask) -> Array:
    return np.asarray(x[np.arange(len(x)), mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)])


def _both_ends(x: Array, mask: Mask) -> Array:
    half = x.shape[-1] // 2
    return np.concatenate([_last_real(x, mask)[:, :half], x[np.arange(len(x)), np.argmax(mask, axis=1)][:, half:]], -1)


def _filled(x: Array, mask: Mask, value: float) -> Array:
    return np.where(mask[..., None], x, value)


Pool = Callable[[Array, Mask], Array]
POOLS: dict[str, Pool] = {
    "the mean over real steps": lambda x, m: _filled(x, m, 0).sum(1) / m.sum(1)[:, None],
    "the mean over all steps, padding included": lambda x, m: x.mean(1),  # noqa: ARG005
    "the sum over real steps divided by T": lambda x, m: _filled(x, m, 0).sum(1) / m.shape[1],
    "the maximum over real steps": lambda x, m: _filled(x, m, -np.inf).max(1),
    "the maximum over all steps, padding included": lambda x, m: x.max(1),  # noqa: ARG005
    "the maximum over real steps and 0": lambda x, m: _filled(x, m, 0).max(1),
    "the sum over real steps": lambda x, m: _filled(x, m, 0).sum(1),
    "the sum over all steps, padding included": lambda x, m: x.sum(1),  # noqa: ARG005
    "the last real step": _last_real,
    "the last column, padding included": lambda x, m: x[:, -1],  # noqa: ARG005
    "the column before the last": lambda x, m: x[:, -2],  # noqa: ARG005
    "the first step": lambda x, m: x[:, 0],  # noqa: ARG005
    "the end of each direction": _both_ends,
    "the end of the forward direction": lambda x, m: _both_ends(x, m)[:, : x.shape[-1] // 2],
    "the end of the backward direction": lambda x, m: _both_ends(x, m)[:, x.shape[-1] // 2 :],
}
ENTRIES = {
    "the last column, padding included": "packing.last_output",
    "the mean over all steps, padding included": "masking.lost_silently",
    "the sum over real steps divided by T": "pooling.multiply_then_mean",
    "the maximum over real steps and 0": "pooling.max_of_zeros",
    "the end of the backward direction": "bidirectional.last_output",
}


def _orders(x: Array, mask: Mask) -> Iterator[tuple[str, Array]]:
    """Yield the steps in other orders; what is behind the end counts as 0."""
    last = mask.sum(1) - 1
    flipped = x.copy()
    for row, end in enumerate(last):
        flipped[row, : end + 1] = x[row, end::-1] if end >= 0 else x[row, :0]
    yield "its steps reversed", flipped
    yield "its columns reversed, padding included", x[:, ::-1]
    for name, by in (("a step later", 1), ("a step earlier", -1)):
        moved = np.roll(x, by, axis=1)
        moved[:, 0 if by > 0 else -1] = 0
        yield f"its steps shifted {name}", moved


def candidates(x: Array, mask: Mask, has_steps: bool, target: Array) -> Iterator[tuple[str, Array]]:
    """Yield what may have been computed from the outputs of a layer, simple things first."""
    pooled = has_steps and target.ndim == x.ndim - 1
    with np.errstate(all="ignore"):
        for name, function in ELEMENTWISE.items():
            if not pooled:
                yield name, function(x)
        for name, pool in POOLS.items() if pooled else ():
            yield name, pool(x, mask)
        for name, pool in POOLS.items() if pooled else ():
            for own, function in list(ELEMENTWISE.items())[1:]:
                yield f"{name} of {own}", pool(function(x), mask)
                yield f"{own} of {name}", function(pool(x, mask))
        if has_steps and not pooled:
            yield from _orders(x, mask)


def recognised(traces: Traces, first: FirstDifference, component: Component | None) -> str:
    """Say what each model computes between the last layers that agree and what differs; nothing if it is not known."""
    found: list[set[str]] = []
    ordered: list[list[str]] = []
    for number in (0, 1):
        names = list(_of_side(traces, number, first, component))
        ordered.append(names)
        found.append(set(names))
    alone = [[name for name in ordered[n] if name not in found[1 - n]] for n in (0, 1)]
    if not alone[0] or not alone[1]:
        return ""
    own, theirs = alone[0][0], alone[1][0]
    entry = next((ENTRIES[name] for name in (own, theirs) if name in ENTRIES), "")
    equal = f"`{first.equal[0]}`" if first.equal[0] == first.equal[1] else f"`{first.equal[0]}` = `{first.equal[1]}`"
    said = f"of the outputs of {equal}, left goes on with {own}, right with {theirs} (both reproduced to 1e-11)"
    return said + (f"   (parity divergences {entry})" if entry else "")


def _of_side(traces: Traces, number: int, first: FirstDifference, component: Component | None) -> Iterator[str]:
    """Yield the names of all that a model may compute there."""
    tracer = traces.tracers[number]
    setting = tracer.setting
    ran = setting.view.run(setting.base, traced=True)
    calls = tracer.axes.calls(ran)
    if first.equal[number] not in calls:
        return
    before = _arrays(tracer.axes.letters, f"{first.equal[number]}/outputs", calls[first.equal[number]].outputs)
    if component is None:
        after = _outputs(traces, number, ran)
    else:
        path = (component.left, component.right)[number][0]
        after = _arrays(tracer.axes.letters, f"{path}/inputs", calls[path].inputs)
    mask = setting.base.mask
    for letters, x in before:
        x, own = _padded(x, letters, mask)
        for after_letters, target in after:
            target, real = _padded(target, after_letters, mask)
            for name, value in candidates(x, own, "T" in letters, target):
                if value.shape == target.shape and _same(value, target, real, "T" in after_letters):
                    yield name


def _padded(array: Array, letters: str, mask: Mask) -> tuple[Array, Mask]:
    """Return an array with as many steps as the batch has, 0 behind those that were computed, and the mask."""
    if "T" not in letters or array.shape[1] >= mask.shape[1]:
        return array, mask
    rest = np.zeros((len(array), mask.shape[1] - array.shape[1], *array.shape[2:]))
    return np.concatenate([array, rest], axis=1), mask


def _arrays(letters: Mapping[str, str], prefix: str, arrays: Mapping[str, Array]) -> list[tuple[str, Array]]:
    """Return arrays with rows and steps first."""
    return [
        found
        for name, array in arrays.items()
        if (found := _front(letters.get(f"{prefix}/{name}", "?"), array)) is not None
    ]


def _outputs(traces: Traces, number: int, ran: Ran) -> list[tuple[str, Array]]:
    half: Any = traces.halves[number]
    found = [_front(half.axes[name], ran.outputs[name]) for name in half.names]
    return [one for one in found if one is not None]


def _front(letters: str, array: Array) -> tuple[str, Array] | None:
    if letters.count("B") != 1 or letters.count("T") > 1 or "?" in letters or len(letters) != array.ndim:
        return None
    front = [letters.index(letter) for letter in "BT" if letter in letters]
    return letters, np.moveaxis(array, front, range(len(front)))


def _same(value: Array, target: Array, mask: Mask, has_steps: bool) -> bool:
    if has_steps:
        value, target = value[mask], target[mask]
    with np.errstate(invalid="ignore"):
        return bool(np.max(np.abs(value - target), initial=0.0) <= EXACT * np.max(np.abs(target), initial=1e-30))
