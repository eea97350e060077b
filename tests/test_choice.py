"""Choose the fastest of several ways by timing each once for every size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from parity.checks.check import Check
from parity.checks.result import PASSED

torch = pytest.importorskip("torch")
choice = pytest.importorskip("parity.pytorch.choice")

LARGE, SMALL = 64, 2  # a batch worth timing, and one that is not


class Way:
    """A linear layer that sleeps for some seconds first, and counts its calls."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def __call__(self, kind: object, x: Any, lengths: Any, weights: Any, initial: Any) -> Any:
        time.sleep(self.seconds)
        self.calls += 1
        y = x @ weights[0]["w"]
        return y, [y[:, -1] + initial[0]]


@pytest.fixture
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "chosen", {})
    return


def arguments(batch: int, steps: int = 32, *, learns: bool = True) -> tuple[Any, ...]:
    weights = [{"w": torch.ones(32, 32, requires_grad=learns)}]
    return "kind", torch.ones(batch, steps, 32), torch.full((batch,), steps), weights, [torch.zeros(batch, 32)]


@pytest.mark.usefixtures("nothing_chosen")
@pytest.mark.parametrize("place", range(3))
def test_the_fastest_is_chosen_and_remembered_for_batches_of_about_this_size(place: int) -> None:
    ways = tuple(Way(0.0 if at == place else 0.05) for at in range(3))
    assert choice.fastest(ways, *arguments(LARGE)) is ways[place]
    calls = [way.calls for way in ways]
    assert all(calls)
    assert choice.fastest(ways, *arguments(LARGE + 1)) is ways[place]
    assert [way.calls for way in ways] == calls


@pytest.mark.usefixtures("nothing_chosen")
@pytest.mark.parametrize("other", [arguments(4 * LARGE), arguments(LARGE, steps=64), arguments(LARGE, learns=False)])
def test_another_size_and_another_use_are_timed_anew(other: tuple[Any, ...]) -> None:
    ways = Way(0.0), Way(0.01)
    for given in (arguments(LARGE), other):
        before = ways[1].calls
        choice.fastest(ways, *given)
        assert ways[1].calls > before


@pytest.mark.usefixtures("nothing_chosen")
def test_a_small_batch_is_not_timed() -> None:
    ways = Way(0.01), Way(0.0)
    assert choice.fastest(ways, *arguments(SMALL)) is ways[0]
    assert [way.calls for way in ways] == [0, 0]


@pytest.mark.usefixtures("nothing_chosen")
def test_timing_leaves_no_gradient_behind() -> None:
    given = arguments(LARGE)
    choice.fastest((Way(0.0), Way(0.01)), *given)
    assert given[3][0]["w"].grad is None


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("operation", ["rnn.lstm", "rnn.gru"])
def test_whatever_is_chosen_is_right(operation: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Callable[..., Any]] = []

    def timed(ways: tuple[Callable[..., Any], ...], *_: Any) -> Callable[..., Any]:
        taken.append(ways[place])
        return ways[place]

    monkeypatch.setattr(choice, "chosen", {})
    monkeypatch.setattr(choice, "WORTH_TIMING", 0)
    monkeypatch.setattr(choice, "timed", timed)
    case = {"config": "two_layers_from_state", "lengths": "ragged", "seed": place}  # runs of one case are cached
    check = Check(operation, "pytorch", "auto", "float64", "matches_reference", **case)
    assert {result.status for result in check.run()} == {PASSED}
    assert len(set(taken)) == 1
