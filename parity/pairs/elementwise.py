"""Compute what models do with each number of an array, or with the channels of each step, by the usual names."""

from __future__ import annotations

from collections.abc import Callable
from math import erf

import numpy as np

from parity.arrays import Array

AS_THEY_ARE = "these as they are"
Elementwise = Callable[[Array], Array]


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(erf, otypes=[float])(x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _leaky(slope: float) -> Elementwise:
    return lambda x: np.where(x > 0, x, slope * x)


def halves(x: Array) -> Array:
    return np.concatenate(np.split(x, 2, axis=-1)[::-1], axis=-1) if x.shape[-1] % 2 == 0 else x


def interleaved(x: Array) -> Array:
    return x.reshape(*x.shape[:-1], 2, -1).swapaxes(-1, -2).reshape(x.shape) if x.shape[-1] % 2 == 0 else x


ELEMENTWISE: dict[str, Elementwise] = {
    AS_THEY_ARE: lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "exact gelu": lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))),
    "gelu with tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid of Keras 3 and PyTorch": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid of Keras 2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "elu with 0.5": lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "relu6": lambda x: np.clip(x, 0, 6),
    "quick gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "softmax of the softmax": lambda x: softmax(softmax(x)),
    **{f"leaky_relu with slope {slope:g}": _leaky(slope) for slope in (0.01, 0.1, 0.2, 0.3)},
    "the halves of its channels exchanged": halves,
    "the halves of its channels interleaved": interleaved,
    "its square": lambda x: x**2,
    "its quotient by its norm": lambda x: x / np.sqrt(np.sum(x**2, axis=-1, keepdims=True)),
    "its product with the root of its size": lambda x: x * np.sqrt(x.shape[-1]),
    "its quotient by the root of its size": lambda x: x / np.sqrt(x.shape[-1]),
}
