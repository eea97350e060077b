"""Try changes of a whole model: no dropout, no gradient stopped, nothing frozen; name one that makes both agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import numpy as np

from parity.checks.comparison import Difference
from parity.models.floors import noise_floor
from parity.models.side import Side
from parity.pairs.comparing import Links, Seen, compare_pair
from parity.pairs.first_difference import Traces
from parity.pairs.halves import DOUBLE, Half
from parity.pairs.randomness import listed, without_dropout

GRADIENTS = {"pytorch": "parity.pairs.pytorch_gradients", "tensorflow": "parity.pairs.keras_gradients"}
Both = tuple[Seen, Seen]


def agreement(seen: Both, links: Links | None, number: int, context: AbstractContextManager[object]) -> float | None:
    """Return how far both are apart at most if one model runs in a context; None if that is more than rounding."""
    one = seen[number]
    try:
        with context:  # in which more may have a gradient, and a noise floor
            floors = noise_floor(one.setting.view, [one.setting.base], one.half.wide)
    except Exception:  # not every change fits every model
        return None
    after = Seen(one.half, one.setting, floors)
    both = (after, seen[1]) if number == 0 else (seen[0], after)
    found = compare_pair(both, (both[0].expected, both[1].expected), links, DOUBLE)
    if not found or any(one.failed for one in found):
        return None
    return max(one.max_abs_error for one in found)


def cause_in_dropout(seen: Both, links: Links | None) -> str:
    """Name the layers that drop numbers in the mode of inference, if both models agree without."""
    for number, one in enumerate(seen):
        side = one.half.side
        if one.half.dropped is not None or not one.half.runs:
            continue
        context = _Noting(side)
        apart = agreement(seen, links, number, context)
        if apart is not None and context.found.called:
            rates = listed([f"`{name}` {context.found.rates[name]:g}" for name in sorted(context.found.called)])
            said = f"{one.half.name} drops numbers in the mode of inference, too: {rates}"
            return f"{said}; without dropout both agree to {apart:.1e}"
    return ""


def rounded_constants(seen: Seen, number: int, other: Seen) -> str:
    """Name the constants that a model rounds to float32 in float64, if that shows; they are exact for a comparison."""
    constants = getattr(seen.half.side, "constants", None)
    if constants is None or not constants.found or seen.half.wide != DOUBLE:
        return ""
    with constants.rounded():
        after = seen.setting.view.observe([seen.setting.base], mode="eager")
    quantities = (after, other.expected) if number == 0 else (other.expected, after)
    differences = compare_pair((seen, other) if number == 0 else (other, seen), quantities, None, DOUBLE)
    if not any(one.failed for one in differences):
        return ""
    apart = max(one.max_abs_error for one in differences)
    layers = listed([f"`{name}` {value:.6g}" for name, value in constants.found.items()])
    return f"{seen.half.name}: constants that Keras rounds to float32 were exact: {layers}; rounded, {apart:.1e} apart"


class _Noting:
    """The context of a run without dropout, which keeps what was called."""

    def __init__(self, side: Side) -> None:
        self.context = without_dropout(side)

    def __enter__(self) -> None:
        self.found = self.context.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self.context.__exit__(*raised)


def cause_in_gradients(seen: Both, links: Links | None, failed: Sequence[Difference], where: str) -> str:
    """Name what is frozen, or where a gradient is stopped, if both models agree without.

    Args:
        seen, links: both models.
        failed: gradients that differ.
        where: between which layers no gradient passes, if that is known.
    """
    for number, one in enumerate(seen):
        if not one.half.runs:
            continue
        framework: Any = import_module(GRADIENTS[one.half.side.framework])
        names = list(frozen(seen, links, number, failed))
        if names:
            apart = agreement(seen, links, number, framework.thawed(one.half.side, names))
            if apart is not None:
                what = "trainable" if one.half.side.framework == "tensorflow" else "requires_grad"
                many = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
                said = f"`{names[0]}`{many} frozen {one.half.name} ({what} is False)"
                return f"{said}; trained, all gradients agree to {apart:.1e}"
        stopped: list[tuple[str, str]] = []
        apart = agreement(seen, links, number, framework.passing(one.half.side, stopped))
        if apart is not None and stopped:
            how, layer = stopped[0]
            place = f"in `{layer}`" if layer else where
            said = " ".join(filter(None, ["a gradient is stopped", one.half.name, place, f"({how})"]))
            return f"{said}; without it all gradients agree to {apart:.1e}"
    return ""


def frozen(seen: Both, links: Links | None, number: int, failed: Sequence[Difference]) -> Iterator[str]:
    """Yield the names of one model's arrays that are not trained, where the other's are."""
    if links is None:
        return
    trained = [one.half.weights.trainable() for one in seen]
    numberings = [one.half.weights.numbering for one in seen]
    names = {one.quantity.removeprefix("d_") for one in failed if one.problem == "other"}
    for name in numberings[0].shapes:
        if name in names:
            at = np.isin(links.left, numberings[0].ids(name))
            theirs = numberings[1].names_of(links.right[at])
            own = [name] if number == 0 else theirs
            yield from (each for each in own if each not in trained[number])


def unreached(traces: Traces, seen: Both, failed: Sequence[Difference]) -> tuple[str, str]:
    """Return which weights of one model no gradient reaches, and between which layers it ends; nothing if all do."""
    names = [one.quantity.removeprefix("d_") for one in failed if one.problem != "other"]
    for number, one in enumerate(seen):
        gradients = {n.removeprefix("d_"): array for n, array in one.expected.items() if n.startswith("d_")}
        weights = {n: gradients[n] for n in one.half.weights.numbering.shapes if n in gradients}
        zero = [name for name, array in weights.items() if not np.any(array)]
        partners = names if number == 0 else zero
        lacking = [name for name in zero if name in partners]
        if not lacking or not _other_moves(seen[1 - number], names):
            continue
        order = list(traces.before(number))
        places = {name: _place(order, name, one.half) for name in weights}
        last = max(places[name] for name in lacking)
        after = [place for name, place in places.items() if place > last and np.any(weights[name])]
        if last < 0 or not after:
            return f"no gradient reaches `{lacking[-1]}` {one.half.name}", ""
        where = f"between `{order[last]}` and `{order[min(after)]}`"
        return f"no gradient reaches `{lacking[-1]}` {one.half.name}: it is stopped {where}", where
    return "", ""


def _other_moves(seen: Seen, names: Sequence[str]) -> bool:
    return bool(names) and any(np.any(array) for name, array in seen.expected.items() if name.startswith("d_"))


def _place(order: Sequence[str], name: str, half: Half) -> int:
    """Return the number of the call of a weight's layer; -1 if it is not known."""
    path, separator = name, half.weights.separator
    if half.side.framework == "tensorflow":
        path = path.partition(separator)[2]
    while path and path not in order:
        path = path.rpartition(separator)[0]
    return order.index(path) if path else -1
