"""Describe layers with weights in one way for both frameworks: a kind, sizes, and arrays in one layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parity.arrays import Array
from parity.pairs.maps import Ids

# Runs one unit in float64, with values for its model's arrays by name, on inputs with channels last.
Alone = Callable[[Mapping[str, Array], Mapping[str, Array]], Array]

PLAIN = "parameter"
WHOLE = "(model)"


@dataclass(frozen=True, eq=False)
class Unit:
    """One layer, or one layer and direction of a stacked one.

    Attributes:
        path: of the layer in its model.
        part: which part of the layer it is, such as "layer 1, reverse"; empty if it is all of it.
        kind: "dense", "conv1d", "lstm" and so on, the same in both frameworks.
        size: the sizes that a partner must share; they follow from the kind.
        arrays: role -> its terms, each the numbers of the model's elements in the layout of the kind. The array is the
            sum of the terms: two biases in PyTorch are one in Keras.
        formula: settings that no weights make up for, such as ``reset_after``.
        settings: others that change the function, such as an epsilon.
        alone: runs it alone; None if it cannot be.
        direction: "forward" or "reverse" in a bidirectional layer; empty elsewhere.
        level: its place in a stacked layer.
    """

    path: str
    kind: str
    size: tuple[int, ...]
    arrays: Mapping[str, tuple[Ids, ...]]
    part: str = ""
    formula: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    alone: Alone | None = None
    direction: str = ""
    level: int = 0

    @cached_property
    def numbers(self) -> Ids:
        """Return the numbers of all elements of its arrays."""
        terms = [term.reshape(-1) for terms in self.arrays.values() for term in terms]
        return np.concatenate(terms) if terms else np.zeros(0, np.int64)

    @property
    def name(self) -> str:
        """Return its path, with its part; that of a model that is one layer is `WHOLE`."""
        return f"{self.path or WHOLE} ({self.part})" if self.part else self.path or WHOLE

    @property
    def described(self) -> str:
        """Return its name, kind and sizes."""
        shapes = " x ".join(map(str, self.size))
        return f"`{self.name}` ({self.kind}{' ' + shapes if shapes else ''})"


NAMES = {  # of the arrays of a normalisation that a user has written
    **dict.fromkeys(("weight", "gamma", "scale", "gain", "g"), "gain"),
    **dict.fromkeys(("bias", "beta", "shift", "b"), "bias"),
    **dict.fromkeys(("running_mean", "moving_mean"), "mean"),
    **dict.fromkeys(("running_var", "moving_variance", "moving_var", "running_variance"), "variance"),
}


def normalisation(path: str, name: str, arrays: Mapping[str, Ids], settings: Mapping[str, object]) -> Unit | None:
    """Recognise a normalisation of a user's own by the names of its arrays and of its class.

    Args:
        path: of the layer.
        name: of its class.
        arrays: the numbers of its arrays by their names.
        settings: its epsilon, if it has one.
    """
    roles = {NAMES.get(own.lower(), own): (ids,) for own, ids in arrays.items()}
    if "gain" not in roles or len(roles) < len(arrays) or len({ids.shape for ids in arrays.values()}) > 1:
        return None
    size, rest, name = roles["gain"][0].shape, set(roles) - {"gain", "bias"}, name.lower()
    if rest == {"mean", "variance"} and len(size) == 1:
        return Unit(path, "batch_norm", size, roles, settings=settings)
    if rest or len(size) != 1 or "norm" not in name:
        return None
    return Unit(path, "rms_norm" if "rms" in name else "layer_norm", size, roles, settings=settings)


def neutral(role: str) -> float | None:
    """Return the value of an array that a layer does not have; None if it cannot be without it.

    >>> neutral("query bias"), neutral("gain"), neutral("kernel")
    (0.0, 1.0, None)
    """
    if role.endswith("bias"):
        return 0.0
    return 1.0 if role == "gain" else None
