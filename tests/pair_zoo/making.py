"""Make small models of both frameworks from their layers and one function, and describe pairs of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import parity
from tests.pairs_of_models import stirred

L = keras.layers
WORDS, D, H, C = 9, 3, 4, 2
LENGTHS = parity.lengths(batch=3, longest=4)
TOKENS = parity.inputs(tokens=parity.tokens(WORDS, known_by_value=True), lengths=LENGTHS)
FEATURES = parity.inputs(x=parity.features(D), lengths=LENGTHS)


@dataclass(frozen=True)
class Right:
    """Two models that are the same function."""

    left: Callable[[], Any]
    right: Callable[[], Any]
    inputs: Any = FEATURES
    transfer: Any = "left to right"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrong(Right):
    """Two models that are not, by one mistake.

    Attributes:
        layers: any of these is where they differ first; none for a loss.
        cause: a pattern of the cause.
    """

    layers: tuple[str, ...] = ()
    cause: str = ""

    def judged(self, verdict: Any) -> tuple[bool, bool, bool]:
        """Tell whether a verdict, its layer and its cause are right."""
        place = str(verdict.first_difference)
        layer = any(f"`{one}`" in place for one in self.layers) if self.layers else "the loss" in place
        return verdict.same_function is False, layer, bool(re.search(self.cause, verdict.cause or "none"))


def reweighted(model: Any, seed: int) -> None:
    """Give a model other weights; none is 0 or 1."""
    if isinstance(model, nn.Module):
        stirred(model, seed)
        return
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            moved = np.asarray(variable) + 0.3 * rng.standard_normal(variable.shape)
            variable.assign(np.abs(moved) + 0.1 if "variance" in variable.path else moved)


def module(forward: Callable[..., Any], **layers: Any) -> nn.Module:
    """Return a module of some layers, with weights as after training."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    Model.forward = forward  # type: ignore[method-assign]
    return stirred(Model())


def subclassed(call: Callable[..., Any], **layers: Any) -> Any:
    """Return a subclassed Keras model of some layers."""

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    Model.call = call  # type: ignore[method-assign]
    return Model()


def functional(build: Callable[..., Any], *names: str) -> Any:
    """Return a functional Keras model of inputs by name: tokens, x or mask."""
    made = {
        "tokens": lambda: keras.Input((None,), dtype="int32", name="tokens"),
        "x": lambda: keras.Input((None, D), name="x"),
        "mask": lambda: keras.Input((None,), dtype="bool", name="mask"),
    }
    given = [made[name]() for name in names]
    return keras.Model(given, build(*given))


def sequential(*layers: Any, tokens: bool = False) -> Any:
    """Return a sequential Keras model of features, or of tokens."""
    first = keras.Input((None,), dtype="int32", name="tokens") if tokens else keras.Input((None, D), name="x")
    return keras.Sequential([first, *layers])


def steps_last(x: Any) -> Any:  # (B, T, D) -> (B, D, T)
    return x.transpose(1, 2)


def packed(layer: Any, x: Any, lengths: Any) -> Any:
    """Run a recurrent layer on packed sequences: outputs, padded with 0, and last states."""
    y, state = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    return pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], state


def real(lengths: Any, steps: int) -> Any:
    """Return True on real steps, (B, T)."""
    return torch.arange(steps)[None, :] < lengths[:, None]


def mean(x: Any, mask: Any) -> Any:
    """Return the mean over real steps in PyTorch."""
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def keras_mean(x: Any, mask: Any) -> Any:
    """Return the mean over real steps in Keras."""
    own = keras.ops.cast(mask, x.dtype)[..., None]
    return keras.ops.sum(x * own, 1) / keras.ops.sum(own, 1)


def arrays(source: nn.Module) -> dict[str, Any]:
    """Return copies of a module's parameters and buffers."""
    return {name: tensor.detach().numpy().copy() for name, tensor in source.state_dict().items()}
