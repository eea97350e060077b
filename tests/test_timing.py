"""Timing: turns, ratios, intervals; what is wrong is not timed, and what is too fast to be true fails."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from parity import bucketing as planner
from parity.arrays import Array
from parity.cases.case import Case
from parity.cases.sampling import with_lengths
from parity.errors import InputError
from parity.operations import find
from parity.throughput import benchmark as race
from parity.throughput.benchmark import AGAIN, PEAK, Entry, Race, WrongAnswer, entries, timed
from parity.throughput.metrics import figures, flops
from parity.throughput.timing import Contender, interleaved, peak_memory, ratio, seconds


def test_contenders_take_turns() -> None:
    """Each runs in every round, and the order changes from round to round."""
    ran: list[str] = []

    def runner(name: str) -> Contender:
        return Contender(lambda: (ran.append(name), time.sleep(0.006)))

    names = ["a", "b", "c"]
    times = interleaved({name: runner(name) for name in names}, budget=0.0, least=8)
    rounds = [ran[start : start + 3] for start in range(len(ran) - 24, len(ran), 3)]
    assert {len(found) for found in times.values()} == {8}
    assert all(sorted(one) == names for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_block_waits_once() -> None:
    """Short calls are timed many at a time, and waited for at the end."""
    calls, waits = [], []
    contender = Contender(lambda: calls.append(1), lambda: waits.append(1))
    waiting = Contender(contender.start, lambda: (waits.append(1), time.sleep(0.05)))
    assert 0.001 <= seconds(waiting, repeats=50) < 0.05  # a fiftieth of the wait
    assert (len(calls), len(waits)) == (50, 1)


def test_a_budget_ends_the_rounds() -> None:
    sleeping = Contender(lambda: time.sleep(0.01))
    assert len(interleaved({"a": sleeping}, budget=0.0, least=2)["a"]) == 2
    assert len(interleaved({"a": sleeping}, budget=60.0, least=2, most=4)["a"]) == 4


def test_a_ratio_is_paired_round_by_round() -> None:
    """Drift that slows whole rounds cancels; the interval covers the truth and shrinks with agreement."""
    rng = np.random.default_rng(0)
    drift = np.exp(rng.normal(0, 1, 50))
    found = ratio(2 * drift * np.exp(rng.normal(0, 0.05, 50)), drift)
    assert found.low < 2 < found.high
    assert found.half_width < 0.05
    assert str(ratio(np.array([2.0, 2.0]), np.array([1.0, 1.0]))) == "2.00 (2.00-2.00)"


def test_peak_memory_sees_an_array_that_is_gone_again() -> None:
    found = peak_memory(lambda: np.ones(8_000_000).sum())  # 64 MB
    if found is None:
        pytest.skip("this system keeps no high-water mark that can be reset")
    assert 60e6 < found < 100e6


def small(operation: str = "rnn.lstm", config: str = "one_layer") -> Case:
    return with_lengths(operation, config, [5, 2, 1, 4], "float32", 0)


def test_every_variant_is_right_before_it_is_timed(framework: str) -> None:
    """At the size that is timed: outputs and gradients, within the noise floor."""
    case = small()
    race_ = Race(case)
    eager = [replace(entry, mode="eager") for entry in entries(case.row, case.config) if entry.framework == framework]
    for entry in eager:
        worst = race_.prepare(entry).worst
        assert worst.compared
        assert not worst.failed


def test_a_wrong_answer_is_never_timed(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that forgets the padding is refused, with the quantity and the distance."""
    from parity.pytorch import rnn

    def careless(kind, x, lengths, weights, initial, **options):  # type: ignore[no-untyped-def]
        return rnn.padded(kind, x, lengths.clamp(min=x.shape[1]), weights, initial, **options)

    monkeypatch.setitem(rnn.VARIANTS, "bucketed", careless)
    with pytest.raises(
        WrongAnswer, match=r"pytorch\.bucketed on rnn\.lstm, 4 sequences padded to 5: y: .*Nothing was timed"
    ):
        Race(small()).prepare(Entry(pytorch, "bucketed", "eager"))


@pytest.mark.parametrize("part", ["forward", "gradient"])
def test_a_slightly_wrong_answer_is_not_timed_either(pytorch: str, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Some hundred noise floors off, and only when no gradient is asked for, or only in the gradient."""
    import torch

    from parity.pytorch import rnn

    right = rnn.VARIANTS["packed"]

    def off(*arguments, **options):  # type: ignore[no-untyped-def]
        y, states = right(*arguments, **options)
        if part == "forward":
            return y * (1 if torch.is_grad_enabled() else 1 + 1e-4), states
        return y + 1e-4 * (y - y.detach()), states

    monkeypatch.setitem(rnn.VARIANTS, "packed_sorted", off)
    quantity = "y" if part == "forward" else "d_"
    with pytest.raises(WrongAnswer, match=f": {quantity}.* noise floors from expected"):
        Race(small()).prepare(Entry(pytorch, "packed_sorted", "eager"))


def test_a_race_plans_by_its_own_cost(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the check and when it is timed."""
    seen: list[planner.Cost] = []
    split = planner.split
    monkeypatch.setattr(planner, "split", lambda lengths: (seen.append(planner.current()), split(lengths))[1])
    mine = planner.Cost(0.0, 0.0, 3.0)
    Race(small(), {pytorch: mine}).prepare(Entry(pytorch, "bucketed", "eager")).contenders["train"].start()
    assert len(seen) == 3
    assert set(seen) == {mine}


def test_an_interval_is_half_as_wide_on_each_side() -> None:
    """Against the known distribution of a median: 95 of 100 intervals of 20 rounds cover it, give or take."""
    rng = np.random.default_rng(1)
    found = [ratio(np.exp(rng.normal(0, 0.1, 20)), np.ones(20)) for _ in range(200)]
    covered = np.mean([one.low <= 1 <= one.high for one in found])
    assert 0.88 < covered < 0.99
    assert found[0].half_width == pytest.approx((found[0].high - found[0].low) / 2 / found[0].median)


def test_all_entries_do_the_same_work(pytorch: str) -> None:
    """What one variant omits, none is asked for."""
    assert set(Race(small()).case.cotangents) == {"y", "h"}


def test_flops_are_those_of_the_field() -> None:
    """LSTM 8H(D+H) a real step, three times that in training; both directions twice; none for a lookup."""
    case = small()
    steps, d, h = int(case.lengths.sum()), case.size("D"), case.size("H")
    assert flops(case, "forward") == steps * 8 * h * (d + h)
    assert flops(case, "train") == 3 * flops(case, "forward")
    assert flops(small("bidirectional.lstm"), "forward") == 2 * flops(case, "forward")
    assert flops(small("embedding.lookup", "pad_is_0"), "train") == 0


def made_up(seconds_: float) -> dict[str, Array]:
    """Ten rounds that drift together, in two frameworks, with an A/A pair each and products of 2 and 1 GFLOP/s."""
    drift = np.linspace(1.0, 3.0, 10)
    product = 2 * race.SIDE**3 / 2e9
    seconds_of = {
        "pytorch.packed": seconds_,
        "pytorch.padded": 1.0,
        f"pytorch.packed{AGAIN}": 1.1 * seconds_,
        f"pytorch {PEAK}": product,
        "tensorflow.masked": 2.0,
        "tensorflow.packed": 0.5,
        f"tensorflow.packed{AGAIN}": 0.6,
        f"tensorflow {PEAK}": 2 * product,
    }
    return {name: value * drift for name, value in seconds_of.items()}


def test_figures_count_real_steps_only() -> None:
    case = small()
    found = figures(case, "train", "pytorch.packed", made_up(0.5), planner.Cost(0.0, 2.0, 1.0))
    assert found["median_seconds"] == pytest.approx(0.5 * 2.0)  # the median of the drift is 2
    assert found["real_steps_per_second"] == pytest.approx(12 / 1.0)
    assert found["fill"] == 12 / 20
    assert found["speedup_over"] == {
        "pytorch.padded": pytest.approx({"median": 2.0, "low": 2.0, "high": 2.0, "half_width": 0.0})
    }
    assert found["ideal_speedup"] == pytest.approx({"by_flops": 20 / 12, "with_step_floor": 20 / (4 + 3 + 2 + 2 + 2)})
    assert found["share_of_ideal"]["by_flops"] == pytest.approx(2.0 / (20 / 12))
    assert found["a_a"]["median"] == pytest.approx(1.1)
    assert found["peak_gflops"] == pytest.approx(2.0)
    assert found["share_of_peak"] == pytest.approx(flops(case, "train") / 1.0 / 2e9)


def test_figures_compare_within_a_framework() -> None:
    found = figures(small(), "train", "tensorflow.packed", made_up(0.5), None)
    assert found["speedup_over"]["tensorflow.masked"]["median"] == pytest.approx(4.0)
    assert set(found["speedup_over"]) == {"tensorflow.masked"}
    assert found["a_a"]["median"] == pytest.approx(1.2)


def test_more_than_the_peak_is_a_missing_wait() -> None:
    with pytest.raises(
        InputError, match=r"pytorch\.packed: .*GFLOP/s, expected at most the peak, 2: a wait is missing"
    ):
        figures(small(), "train", "pytorch.packed", made_up(1e-9), None)


def test_timed_adds_an_a_a_pair_and_a_matrix_product(pytorch: str) -> None:
    race_ = Race(small())
    prepared = {str(entry): race_.prepare(entry) for entry in [Entry(pytorch, "packed", "eager")]}
    times = timed(prepared, "forward", 0.0, least=2)
    assert set(times) == {"pytorch.packed", f"pytorch.packed{AGAIN}", f"pytorch {PEAK}"}
    assert find("rnn.lstm").variants[pytorch][0] == "packed"
