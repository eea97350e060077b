"""Check what a check of a pair recognises: mistakes in copied arrays, operations between layers, and losses."""

from __future__ import annotations

import numpy as np
import pytest

from parity.pairs.candidates import candidates, positions, related
from parity.pairs.elementwise import AS_THEY_ARE
from parity.pairs.losses import losses
from parity.pairs.mistakes import changed, rearranged
from parity.pairs.pools import ENTRIES

RNG = np.random.default_rng(16)
X = RNG.standard_normal((3, 5, 4))
MASK = np.arange(5) < np.array([5, 1, 3])[:, None]
OTHER = RNG.standard_normal((3, 5, 4))
TARGETS = {
    AS_THEY_ARE: X,
    "mish": X * np.tanh(np.logaddexp(X, 0)),
    "quick gelu": X / (1 + np.exp(-1.702 * X)),
    "the halves of its channels exchanged, then tanh": np.tanh(np.roll(X, 2, -1)),
    "the sum of its halves": X[..., :2] + X[..., 2:],
    "their sum with the outputs of `one`": X + OTHER,
    "the relu of their sum with the outputs of `one`": np.maximum(X + OTHER, 0),
    "the outputs of `one` plus 0.5 times these": OTHER + 0.5 * X,
    "its first half times the sigmoid of the second": X[..., :2] / (1 + np.exp(-X[..., 2:])),
    "the outputs of `one` and these, joined in this order": np.concatenate([OTHER, X], -1),
    "its steps and channels reshaped, not transposed": X.reshape(3, 4, 5).swapaxes(1, 2),
    "these plus sines and cosines interleaved from position 1": X
    + dict(positions(5, 4))["sines and cosines interleaved from position 1"],
    "these times 0.7": 0.7 * X,
    "these plus 2": X + 2,
}


def names(x: np.ndarray, target: np.ndarray, steps: tuple[bool, bool] = (True, True), both: bool = False) -> list[str]:
    others = {"the outputs of `one`": OTHER}
    found = [(n, v) for n, v in candidates(x, MASK, steps, target, others, of_both=both) if v.shape == target.shape]
    real = MASK if steps[1] else slice(None)
    return [name for name, value in found if np.allclose(value[real], target[real], 1e-12, 1e-12)]


@pytest.mark.parametrize("name", TARGETS)
def test_an_operation_between_layers_is_recognised(name: str) -> None:
    assert names(X, TARGETS[name])[0] == name


def test_axes_as_one_are_recognised_in_both_orders() -> None:
    x = RNG.standard_normal((3, 5, 4, 2))
    assert names(x, x.reshape(3, 5, 8))[0] == "the last two axes as one"
    assert names(x, x.swapaxes(2, 3).reshape(3, 5, 8))[0] == "the last two axes exchanged, as one"


def test_pooled_steps_and_last_states_are_recognised() -> None:
    assert names(X, X[:, -1], (True, False))[0] == "the last column, padding included"
    states = RNG.standard_normal((3, 4, 2))
    assert names(states, states[:, -1], (False, False), both=True) == ["the end of the backward direction"]
    assert names(states, states[:, 0], (False, False)) == ["the state of layer 1"]


def test_one_order_of_channels_for_another_is_recognised() -> None:
    found = [name for name, value in related(X, MASK, has_steps=True) if np.array_equal(value, np.roll(X, 2, -1))]
    assert found == ["the halves of its channels exchanged"]


def test_positions_are_those_of_the_paper() -> None:
    table = dict(positions(3, 4))["sines and cosines interleaved"]
    assert np.allclose(table[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)])


def test_an_entry_belongs_to_a_candidate() -> None:
    both = {name for name, _ in candidates(X, MASK, (True, False), X[:, 0], {}, of_both=True)}
    assert set(ENTRIES) <= both


W = RNG.standard_normal((4, 4))
MISTAKES = {
    "has 1 added in 4 of its 16 numbers": W + np.repeat([[0], [1], [0], [0]], 4, 1),
    "is 2 times what it should be": 2 * W,
    "is rounded to float16": W.astype("float16").astype(float),
    "is not transposed": W.T,
    "has its rows shifted by 1": np.roll(W, 1, 0),
    "is reshaped, not transposed": W.T.reshape(4, 4),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_copy_is_recognised(text: str) -> None:
    own = MISTAKES[text]
    found = [name for name, other in rearranged(W) if np.array_equal(other, own)] or [changed(own, W)]
    assert text in found


def test_a_sum_in_one_row_of_biases_is_recognised() -> None:
    bias = RNG.standard_normal((2, 6))
    own = np.stack([bias.sum(0), 0 * bias[0]])
    assert [n for n, o in rearranged(bias) if np.allclose(o, own)] == ["has the sum of its rows in the first row"]


def test_other_numbers_are_no_known_mistake() -> None:
    assert not changed(RNG.standard_normal((4, 4)), W)


def test_classes_before_steps_are_recognised() -> None:
    labels = RNG.integers(0, 4, (3, 5))
    usual = dict(losses(X, labels, MASK))
    assert dict(losses(X.swapaxes(1, 2), labels, MASK)).keys() == usual.keys()


def test_one_channel_has_no_halves_and_is_pooled_all_the_same() -> None:
    x, mask = np.ones((3, 4, 1)), np.ones((3, 4), bool)
    names = [name for name, _ in candidates(x, mask, (True, False), np.ones((3, 1)), {}, of_both=False)]
    assert "the last real step" in names
    assert "the end of the forward direction" not in names
