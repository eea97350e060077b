"""Compute what models usually do between two layers: activations, pooling, other orders of steps and channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from parity.arrays import Array, Mask
from parity.pairs.elementwise import AS_THEY_ARE, ELEMENTWISE, halves, interleaved, softmax
from parity.pairs.pools import POOLS, filled

FUNCTIONS = ("relu", "tanh", "sigmoid", "silu", "exact gelu", "gelu with tanh")  # of gates, and after sums


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


def _of_halves(x: Array, of_both: bool) -> Iterator[tuple[str, Array]]:
    """Yield one half of the channels, which a bidirectional layer has for each direction, and their combinations."""
    if x.shape[-1] % 2 == 0:
        first, second = np.split(x, 2, axis=-1)
        ends = ("the end of the forward direction", "the end of the backward direction")
        yield from zip(
            ends if of_both else ("the first half of its channels", "the second half"), (first, second), strict=True
        )
        yield "the sum of its halves", first + second
        yield "the mean of its halves", (first + second) / 2
        yield "the product of its halves", first * second


def _of_states(x: Array, of_both: bool) -> Iterator[tuple[str, Array]]:
    """Yield the last states of a recurrent layer, of which each layer and direction has one."""
    directions = ("forward", "backward") if of_both else ("",)
    layers = x.shape[1] // len(directions)
    for number in range(layers * len(directions)):
        layer, direction = divmod(number, len(directions))
        last = layer + 1 == layers
        own = f"the end of the {directions[direction]} direction" if of_both else "the state"
        yield AS_THEY_ARE if last and not of_both else own + ("" if last else f" of layer {layer + 1}"), x[:, number]
    yield AS_THEY_ARE, x[:, -len(directions) :].reshape(len(x), -1)


def _of_axes(x: Array) -> Iterator[tuple[str, Array]]:
    """Yield the axes behind the steps as one, in both orders."""
    for name, function in ELEMENTWISE.items() if x.ndim == 4 else ():
        own, of = function(x), "" if name == AS_THEY_ARE else f" of {name}"
        yield f"the last two axes{of} as one", own.reshape(*x.shape[:2], -1)
        yield f"the last two axes{of} exchanged, as one", own.swapaxes(2, 3).reshape(*x.shape[:2], -1)


def _of_steps(x: Array, mask: Mask) -> Iterator[tuple[str, Array]]:
    """Yield what mixes steps and channels."""
    count, steps, size = x.shape
    yield "its steps and channels reshaped, not transposed", x.reshape(count, size, steps).swapaxes(1, 2)
    yield "the softmax over all steps, padding included", softmax(x.swapaxes(1, 2)).swapaxes(1, 2)
    yield "the softmax over real steps", softmax(filled(x, mask, -np.inf).swapaxes(1, 2)).swapaxes(1, 2)
    for scale, of in ((1.0, "these"), (np.sqrt(size), "its product with the root of its size")):
        for name, table in positions(steps, size):
            yield f"{of} plus {name}", scale * x + table


def positions(steps: int, size: int) -> Iterator[tuple[str, Array]]:
    """Yield the usual tables of sinusoidal positions, (T, D)."""
    half = (size + 1) // 2
    rates = {
        "": 10000.0 ** (-2 * np.arange(half) / size),
        ", of rates that end at 1 / 10000": 10000.0 ** (-np.arange(half) / max(1, half - 1)),
    }
    for first in (0, 1, 2):
        since = f" from position {first}" if first else ""
        for of_rates, rate in rates.items():
            angles = (first + np.arange(steps))[:, None] * rate
            sines, cosines = np.sin(angles), np.cos(angles)
            both = np.stack([sines, cosines], axis=-1).reshape(steps, -1)[:, :size]
            yield f"sines and cosines interleaved{of_rates}{since}", both
            for order, pair in (("sines beside", (sines, cosines)), ("cosines beside", (cosines, sines))):
                other = "cosines" if order.startswith("s") else "sines"
                yield f"{order} {other}{of_rates}{since}", np.concatenate(pair, axis=-1)[:, :size]


def _gated(x: Array) -> Iterator[tuple[str, Array]]:
    """Yield one half of the channels times a function of the other, as gated linear units do."""
    if x.shape[-1] % 2 == 0:
        first, second = np.split(x, 2, axis=-1)
        for name in FUNCTIONS:
            yield f"its first half times the {name} of the second", first * ELEMENTWISE[name](second)
            yield f"its second half times the {name} of the first", second * ELEMENTWISE[name](first)


def _of_two(
    x: Array, name: str, other: Array, mask: Mask, has_steps: bool, target: Array
) -> Iterator[tuple[str, Array]]:
    """Yield what is made of the outputs of two layers, of the same shape."""
    yield f"their sum with {name}", x + other
    yield f"their product with {name}", x * other
    yield f"{name}, without them", other
    for function in FUNCTIONS:
        yield f"the {function} of their sum with {name}", ELEMENTWISE[function](x + other)
    if target.shape == x.shape:
        for one, own, another, rest in (("these", x, name, other), (name, other, "these", x)):
            if real := _real(own, target - rest, mask, has_steps):
                factor = _factor(*real)
                yield f"{another} plus {factor:.6g} times {one}", rest + factor * own


def _real(x: Array, target: Array, mask: Mask, has_steps: bool) -> tuple[Array, Array] | None:
    """Return two arrays on real steps; None if some of their numbers are not finite."""
    own, theirs = (x[mask], target[mask]) if has_steps else (x, target)
    return (own, theirs) if np.isfinite(own).all() and np.isfinite(theirs).all() else None


def _factor(own: Array, theirs: Array) -> float:
    """Return the number whose product with an array is nearest to another."""
    return float(np.sum(own * theirs)) / max(float(np.sum(own * own)), 1e-300)


def _of_numbers(x: Array, mask: Mask, has_steps: bool, target: Array) -> Iterator[tuple[str, Array]]:
    """Yield the product with a number, and the sum with one, that fit best on real steps."""
    if x.shape != target.shape:
        return
    if real := _real(x, target, mask, has_steps):
        own, theirs = real
        factor = _factor(own, theirs)
        if abs(factor) > 1e-12:
            yield f"these times {factor:.6g}", factor * x
        added = float(np.mean(theirs - own))
        yield f"these plus {added:.6g}", x + added


def candidates(
    x: Array, mask: Mask, has_steps: tuple[bool, bool], target: Array, others: Mapping[str, Array], of_both: bool
) -> Iterator[tuple[str, Array]]:
    """Yield what may have been computed from the outputs of a layer, simple things first.

    Args:
        x: the outputs, rows and steps first.
        mask: True on real steps.
        has_steps: whether they have steps, and what was computed has.
        target: what was computed.
        others: the outputs of other layers, which may have been added.
        of_both: whether they are the ends of both directions.
    """
    with np.errstate(all="ignore"):
        if has_steps == (True, False):
            yield from _pooled(x, mask)
        elif not has_steps[0] and x.ndim == target.ndim + 1 == 3:
            yield from _of_states(x, of_both)
        else:
            yield from _alike(x, mask, has_steps[0], target, others, of_both)


def _alike(
    x: Array, mask: Mask, has_steps: bool, target: Array, others: Mapping[str, Array], of_both: bool
) -> Iterator[tuple[str, Array]]:
    """Yield what has steps if the outputs have."""
    for name, function in ELEMENTWISE.items():
        yield name, function(x)
    for name, function in list(ELEMENTWISE.items())[1:] if x.shape[-1] % 2 == 0 else ():
        yield f"the halves of its channels exchanged, then {name}", function(halves(x))
    yield from _of_halves(x, of_both)
    yield from _gated(x)
    for name, other in others.items():
        if other.shape == x.shape:
            yield from _of_two(x, name, other, mask, has_steps, target)
        if other.shape[:-1] == x.shape[:-1]:
            yield f"these and {name}, joined in this order", np.concatenate([x, other], -1)
            yield f"{name} and these, joined in this order", np.concatenate([other, x], -1)
            for order, turned in islice(_orders(other, mask), 2) if has_steps else ():
                yield f"these and {name} with {order}, joined in this order", np.concatenate([x, turned], -1)
                yield f"{name} with {order} and these, joined in this order", np.concatenate([turned, x], -1)
    if has_steps:
        yield from _orders(x, mask)
        yield from _of_axes(x)
    if has_steps and x.ndim == 3:
        yield from _of_steps(x, mask)
    if not has_steps or x.shape[:2] == mask.shape:
        yield from _of_numbers(x, mask, has_steps, target)


def operations(x: Array, mask: Mask, has_steps: tuple[bool, bool], target: Array) -> Iterator[tuple[str, Array]]:
    """Yield what one model may compute from the outputs of a layer, simple operations only; see `candidates`."""
    with np.errstate(all="ignore"):
        if has_steps == (True, False):
            for name, pool in POOLS.items():
                yield name, pool(x, mask)
        elif not has_steps[0] and x.ndim == target.ndim + 1 == 3:
            yield from _of_states(x, of_both=False)
        elif has_steps[0] == has_steps[1]:
            for name, function in ELEMENTWISE.items():
                yield name, function(x)
            yield from _of_halves(x, of_both=False)
            if has_steps[0]:
                yield from _orders(x, mask)


def related(x: Array, mask: Mask, has_steps: bool) -> Iterator[tuple[str, Array]]:
    """Yield what one model may have in place of what the other has, whatever that is."""
    if x.shape[-1] % 2 == 0:
        yield "the halves of its channels exchanged", halves(x)
        yield "the halves of its channels interleaved", interleaved(x)
    if has_steps:
        yield from _orders(x, mask)


def _pooled(x: Array, mask: Mask) -> Iterator[tuple[str, Array]]:
    pools = {name: pool for name, pool in POOLS.items() if pool(x, mask).size}  # of one channel there is no half
    for name, pool in pools.items():
        yield name, pool(x, mask)
    for name, pool in pools.items():
        for own, function in list(ELEMENTWISE.items())[1:]:
            yield f"{name} of {own}", pool(function(x), mask)
            yield f"{own} of {name}", function(pool(x, mask))
        for own, half in _of_halves(x, of_both=False):
            if (found := pool(half, mask)).size:
                yield f"{name} of {own}", found
