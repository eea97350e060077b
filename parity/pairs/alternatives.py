"""Settings that layers of both frameworks have, and the values that are tried in place of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12)
SLOPES = (0.01, 0.1, 0.2, 0.3)  # of a leaky ReLU

Changed = Callable[[Any, str, object], AbstractContextManager[object]]  # a layer with another attribute
Alternative = tuple[
    str, str, str, AbstractContextManager[object]
]  # what, its value, that which is tried, and a context


def settings(layer: object, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the settings of a layer by their common names, from the names that a framework has for each."""
    return {common: getattr(layer, name) for common, own in names.items() for name in own if hasattr(layer, name)}


def of_epsilon(
    layer: object, names: tuple[str, ...], other: Mapping[str, Any], changed: Changed
) -> Iterator[Alternative]:
    """Yield other epsilons, first that of the layer's partner."""
    for name in names:
        if isinstance(own := getattr(layer, name, None), float):
            for value in dict.fromkeys([*([other["eps"]] if "eps" in other else []), *EPSILONS]):
                if value != own:
                    yield "eps", f"{own:g}", f"{value:g}", changed(layer, name, value)


def of_slope(layer: Any, changed: Changed) -> Iterator[Alternative]:
    """Yield other slopes of a leaky ReLU."""
    for value in SLOPES:
        if value != layer.negative_slope:
            yield "slope", f"{layer.negative_slope:g}", f"{value:g}", changed(layer, "negative_slope", value)
