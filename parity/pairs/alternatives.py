"""Settings that layers of both frameworks have, and the values that are tried in place of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12)
SLOPES = (0.01, 0.1, 0.2, 0.3)  # of a leaky ReLU
SHARED = ("stride", "dilation", "padding")  # settings whose values mean the same in both frameworks
GONE = "taken away"

# The order in which alternatives are tried: what mends one model before what spoils the other in the same way.
PARTNERS, REPAIRED, OTHER, SPOILED = range(4)

Changed = Callable[[Any, str, object], AbstractContextManager[object]]  # a layer with another attribute


@dataclass(frozen=True, eq=False)
class Alternative:
    """Something that one model may do otherwise.

    Attributes:
        what: is changed.
        before: its value, if there is one to tell.
        after: the value that is tried; `GONE` for none.
        context: in which the model does that.
        rank: when it is tried.
    """

    what: str
    before: str
    after: str
    context: AbstractContextManager[object]
    rank: int = OTHER


@contextmanager
def together(*contexts: AbstractContextManager[object]) -> Iterator[None]:
    """Enter several contexts."""
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield


def settings(layer: object, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the settings of a layer by their common names, from the names that a framework has for each."""
    return {common: getattr(layer, name) for common, own in names.items() for name in own if hasattr(layer, name)}


def of_settings(
    layer: object, names: Mapping[str, tuple[str, ...]], other: Mapping[str, Any], changed: Changed
) -> Iterator[Alternative]:
    """Yield other values of the settings that layers of both frameworks have."""
    yield from of_epsilon(layer, names["eps"], other, changed)
    yield from of_partner(layer, names, other, changed)


def of_epsilon(
    layer: object, names: tuple[str, ...], other: Mapping[str, Any], changed: Changed
) -> Iterator[Alternative]:
    """Yield other epsilons, first that of the layer's partner."""
    for name in names:
        if isinstance(own := getattr(layer, name, None), float):
            theirs = [other["eps"]] if "eps" in other else []
            for value in dict.fromkeys([*theirs, *EPSILONS]):
                if value != own:
                    rank = PARTNERS if value in theirs else OTHER
                    yield Alternative("eps", f"{own:g}", f"{value:g}", changed(layer, name, value), rank)


def of_partner(
    layer: object, names: Mapping[str, tuple[str, ...]], other: Mapping[str, Any], changed: Changed
) -> Iterator[Alternative]:
    """Yield the settings of a layer's partner that the layer has too, with another value."""
    for common in SHARED:
        for name in names[common]:
            own, theirs = getattr(layer, name, None), other.get(common)
            if own is not None and type(own) is type(theirs) and own != theirs:
                yield Alternative(common, f"{own}", f"{theirs}", changed(layer, name, theirs), PARTNERS)


def of_slope(layer: Any, changed: Changed) -> Iterator[Alternative]:
    """Yield other slopes of a leaky ReLU."""
    for value in SLOPES:
        if value != layer.negative_slope:
            own = f"{layer.negative_slope:g}"
            yield Alternative("slope", own, f"{value:g}", changed(layer, "negative_slope", value))
