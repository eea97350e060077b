"""Update weights by one step of an optimiser, with the conventions of both frameworks as settings.

A `Rule` is what an optimiser of either framework does to each array. Where both differ in more than numbers, a setting
says which of them is meant: where epsilon stands, whether a decay is coupled. So a difference of convention is one of
settings, and can be tried. The mathematics is that of `torch.optim` 2.13 and `keras.optimizers` 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import Array

Settings = Mapping[str, Any]
State = dict[str, Array]
CORRECTED, UNCORRECTED = "beside the corrected root", "beside the uncorrected root"
INSIDE, OUTSIDE = "inside the root", "outside of the root"
IN_MAXIMUM, BESIDE = "in the maximum", "beside the maximum"
COUPLED, DECOUPLED = "added to the gradient", "taken off the weight"

_COMMON = {"weight_decay": 0.0, "decay": DECOUPLED}
_MOMENTS = {"beta_1": 0.9, "beta_2": 0.999}
_ADAM = {"kind": "adam", "learning_rate": 0.001, **_MOMENTS, "epsilon": 1e-8, "at": CORRECTED, **_COMMON}
_RMSPROP = {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "at": INSIDE, "centered": False}
_ADAGRAD = {"learning_rate": 0.01, "initial_accumulator": 0.1, "epsilon": 1e-7, "at": INSIDE}
_SGD = {"kind": "sgd", "learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "dampening": 0.0, **_COMMON}
NAMED: dict[str, Settings] = {
    "sgd": _SGD,
    "momentum": _SGD | {"momentum": 0.9},
    "nesterov": _SGD | {"momentum": 0.9, "nesterov": True},
    "adam": _ADAM | {"amsgrad": False},
    "amsgrad": _ADAM | {"amsgrad": True},
    "adamw": _ADAM | {"amsgrad": False, "weight_decay": 0.01},
    "nadam": _ADAM | {"kind": "nadam", "momentum_decay": 0.004},
    "adamax": _ADAM | {"kind": "adamax", "at": BESIDE},
    "rmsprop": {"kind": "rmsprop", **_RMSPROP, **_COMMON},
    "adagrad": {"kind": "adagrad", **_ADAGRAD, **_COMMON},
    "adadelta": {"kind": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-6, **_COMMON},
}


@dataclass(eq=False)
class Rule:
    """One optimiser.

    Attributes:
        settings: those of each trained array, by name.
        clip: "clipnorm", "global_clipnorm" or "clipvalue" -> its limit, of the gradients.
    """

    settings: Mapping[str, Settings]
    clip: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states: dict[str, State] = {}
        self.count = 0

    def step(self, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return the weights after a step; those without a gradient or settings stay."""
        self.count += 1
        found, gradients = dict(weights), clipped(gradients, self.clip)
        for name, own in self.settings.items():
            if name in gradients:
                state = self.states.setdefault(name, {})
                weight, gradient = weights[name], gradients[name]
                if own["weight_decay"] and own["decay"] == COUPLED:
                    gradient = gradient + own["weight_decay"] * weight
                elif own["weight_decay"]:
                    weight = weight * (1 - own["learning_rate"] * own["weight_decay"])
                found[name] = weight - UPDATES[own["kind"]](gradient, state, self.count, own)
        return found


def clipped(gradients: Mapping[str, Array], clip: Mapping[str, float]) -> dict[str, Array]:
    """Return gradients that are clipped as Keras does, each alone or all together."""
    found = dict(gradients)
    if limit := clip.get("clipnorm"):
        found = {name: _shortened(array, np.linalg.norm(array), limit) for name, array in found.items()}
    if limit := clip.get("global_clipnorm"):
        norm = np.sqrt(sum(float(np.sum(array**2)) for array in found.values()))
        found = {name: _shortened(array, norm, limit) for name, array in found.items()}
    if limit := clip.get("clipvalue"):
        found = {name: np.clip(array, -limit, limit) for name, array in found.items()}
    return found


def _shortened(array: Array, norm: Any, limit: float) -> Array:
    return np.asarray(array * (limit / norm) if norm > limit else array)


def _sgd(g: Array, state: State, step: int, own: Settings) -> Array:
    if not own["momentum"]:
        return np.asarray(own["learning_rate"] * g)
    velocity = g if step == 1 else own["momentum"] * state["velocity"] + (1 - own["dampening"]) * g
    state["velocity"] = velocity
    return np.asarray(own["learning_rate"] * (g + own["momentum"] * velocity if own["nesterov"] else velocity))


def _moments(g: Array, state: State, own: Settings) -> tuple[Array, Array]:
    m, v = state.get("m", np.zeros_like(g)), state.get("v", np.zeros_like(g))
    state["m"] = m + (g - m) * (1 - own["beta_1"])
    state["v"] = v + (g**2 - v) * (1 - own["beta_2"])
    return state["m"], state["v"]


def _adam(g: Array, state: State, step: int, own: Settings) -> Array:
    m, v = _moments(g, state, own)
    if own["amsgrad"]:
        state["largest"] = v = np.maximum(state.get("largest", v), v)
    root = np.sqrt(1 - own["beta_2"] ** step)
    epsilon = own["epsilon"] / (root if own["at"] == UNCORRECTED else 1)
    return np.asarray(own["learning_rate"] * m / (1 - own["beta_1"] ** step) / (np.sqrt(v) / root + epsilon))


def _nadam(g: Array, state: State, step: int, own: Settings) -> Array:
    m, v = _moments(g, state, own)
    now, after = (own["beta_1"] * (1 - 0.5 * 0.96 ** (t * own["momentum_decay"])) for t in (step, step + 1))
    state["product"] = product = state.get("product", np.ones(())) * now
    mean = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
    return np.asarray(own["learning_rate"] * mean / (np.sqrt(v / (1 - own["beta_2"] ** step)) + own["epsilon"]))


def _adamax(g: Array, state: State, step: int, own: Settings) -> Array:
    m, _ = _moments(g, state, own)
    inside, beside = (own["epsilon"], 0.0) if own["at"] == IN_MAXIMUM else (0.0, own["epsilon"])
    state["u"] = np.maximum(own["beta_2"] * state.get("u", np.zeros_like(g)), np.abs(g) + inside)
    return np.asarray(own["learning_rate"] * m / ((1 - own["beta_1"] ** step) * (state["u"] + beside)))


def _root(square: Array, own: Settings) -> Array:
    if own["at"] == INSIDE:
        return np.asarray(np.sqrt(square + own["epsilon"]))
    return np.asarray(np.sqrt(square) + own["epsilon"])


def _rmsprop(g: Array, state: State, step: int, own: Settings) -> Array:  # noqa: ARG001
    zeros = np.zeros_like(g)
    state["square"] = square = own["rho"] * state.get("square", zeros) + (1 - own["rho"]) * g**2
    if own["centered"]:
        state["mean"] = own["rho"] * state.get("mean", zeros) + (1 - own["rho"]) * g
        square = square - state["mean"] ** 2
    update = g / _root(square, own)
    if own["momentum"]:
        state["velocity"] = update = own["momentum"] * state.get("velocity", zeros) + update
    return np.asarray(own["learning_rate"] * update)


def _adagrad(g: Array, state: State, step: int, own: Settings) -> Array:
    state["sum"] = state.get("sum", np.full_like(g, own["initial_accumulator"])) + g**2
    rate = own["learning_rate"] / (1 + (step - 1) * own.get("learning_rate_decay", 0.0))
    return np.asarray(rate * g / _root(state["sum"], own))


def _adadelta(g: Array, state: State, step: int, own: Settings) -> Array:  # noqa: ARG001
    zeros, rho, epsilon = np.zeros_like(g), own["rho"], own["epsilon"]
    state["square"] = rho * state.get("square", zeros) + (1 - rho) * g**2
    moved = state.get("moved", zeros)
    update = np.sqrt(moved + epsilon) / np.sqrt(state["square"] + epsilon) * g
    state["moved"] = rho * moved + (1 - rho) * update**2
    return np.asarray(own["learning_rate"] * update)


UPDATES: dict[str, Callable[[Array, State, int, Settings], Array]] = {
    "sgd": _sgd,
    "adam": _adam,
    "nadam": _nadam,
    "adamax": _adamax,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
}
