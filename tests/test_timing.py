"""Check timing and metrics: interleaved rounds, ratios, intervals; wrong answers and impossible speeds fail."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity import bucketing
from parity.arrays import Array
from parity.cases.case import Case
from parity.cases.sampling import with_lengths
from parity.errors import InputError
from parity.operations import find
from parity.throughput.benchmark import Benchmark, Candidate, WrongAnswer, candidates, peak_memory
from parity.throughput.metrics import flops, metrics_of
from parity.throughput.timing import (
    AGAIN,
    PRODUCT,
    PRODUCT_SIDE,
    Ratio,
    TimedCall,
    interleaved,
    ratio,
    seconds,
    time_all,
)


def test_calls_are_interleaved() -> None:
    """Check that each runs in every round, and that the order changes."""
    log: list[str] = []

    def logging(name: str) -> TimedCall:
        return TimedCall(lambda: (log.append(name), time.sleep(0.006)))

    names = ["a", "b", "c"]
    times = interleaved({name: logging(name) for name in names}, budget=0.0, least=8)
    rounds = [log[start : start + 3] for start in range(len(log) - 24, len(log), 3)]
    assert {len(seconds_of) for seconds_of in times.values()} == {8}
    assert all(sorted(order) == names for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1


def test_a_block_waits_once() -> None:
    """Check that short calls are timed in a block with one wait."""
    calls, waits = [], []
    call = TimedCall(lambda: calls.append(1), lambda: (waits.append(1), time.sleep(0.05)))
    assert 0.001 <= seconds(call, repeats=50) < 0.05  # a fiftieth of the wait
    assert (len(calls), len(waits)) == (50, 1)


def test_a_budget_ends_the_rounds() -> None:
    sleeping = TimedCall(lambda: time.sleep(0.01))
    assert len(interleaved({"a": sleeping}, budget=0.0, least=2)["a"]) == 2
    assert len(interleaved({"a": sleeping}, budget=60.0, least=2, most=4)["a"]) == 4


def test_a_ratio_is_paired_round_by_round() -> None:
    """Check that drift of whole rounds cancels, and that the interval covers the true ratio."""
    rng = np.random.default_rng(0)
    drift = np.exp(rng.normal(0, 1, 50))
    twice = ratio(2 * drift * np.exp(rng.normal(0, 0.05, 50)), drift)
    assert twice.low < 2 < twice.high
    assert twice.half_width < 0.05
    assert str(ratio(np.array([2.0, 2.0]), np.array([1.0, 1.0]))) == "2.00 (2.00-2.00)"


def test_an_interval_is_half_as_wide_on_each_side() -> None:
    """Check that about 95 of 100 intervals of 20 rounds cover the median."""
    rng = np.random.default_rng(1)
    ratios = [ratio(np.exp(rng.normal(0, 0.1, 20)), np.ones(20)) for _ in range(200)]
    covered = np.mean([ratio_.low <= 1 <= ratio_.high for ratio_ in ratios])
    assert 0.88 < covered < 0.99
    assert ratios[0].half_width == pytest.approx((ratios[0].high - ratios[0].low) / 2 / ratios[0].median)


def test_peak_memory_includes_an_array_that_is_freed_again() -> None:
    peak = peak_memory(lambda: np.ones(8_000_000).sum())  # 64 MB
    if peak is None:
        pytest.skip("this system keeps no high-water mark that can be reset")
    assert 60e6 < peak < 100e6


def small(operation: str = "rnn.lstm", config: str = "one_layer") -> Case:
    return with_lengths(operation, config, [5, 2, 1, 4], "float32", 0)


def test_every_variant_is_right_before_it_is_timed(framework: str) -> None:
    """Check outputs and gradients at the timed size, within the noise floor."""
    benchmark = Benchmark(small())
    for candidate in candidates(benchmark.case.row, benchmark.case.config):
        if candidate.framework == framework:
            worst = benchmark.prepare(replace(candidate, mode="eager")).worst
            assert worst.compared
            assert not worst.failed


def test_a_wrong_answer_is_never_timed(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a variant that ignores the lengths fails, and the message."""
    from parity.pytorch import rnn

    def without_lengths(kind, x, lengths, weights, initial, **options):  # type: ignore[no-untyped-def]
        return rnn.padded(kind, x, lengths.clamp(min=x.shape[1]), weights, initial, **options)

    monkeypatch.setitem(rnn.VARIANTS, "bucketed", without_lengths)
    message = r"pytorch\.bucketed on rnn\.lstm, 4 sequences padded to 5: y: .*Nothing was timed"
    with pytest.raises(WrongAnswer, match=message):
        Benchmark(small()).prepare(Candidate(pytorch, "bucketed", "eager"))


@pytest.mark.parametrize("phase", ["forward", "train"])
def test_a_slightly_wrong_answer_is_not_timed_either(pytorch: str, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """Check an error of some hundred noise floors, in one phase alone."""
    import torch

    from parity.pytorch import rnn

    right = rnn.VARIANTS["packed"]

    def slightly_wrong(*arguments, **options):  # type: ignore[no-untyped-def]
        y, states = right(*arguments, **options)
        if phase == "forward":
            return y * (1 if torch.is_grad_enabled() else 1 + 1e-4), states
        return y + 1e-4 * (y - y.detach()), states

    monkeypatch.setitem(rnn.VARIANTS, "packed_sorted", slightly_wrong)
    quantity = "y" if phase == "forward" else "d_"
    with pytest.raises(WrongAnswer, match=f": {quantity}.* noise floors from expected"):
        Benchmark(small()).prepare(Candidate(pytorch, "packed_sorted", "eager"))


def test_a_benchmark_plans_by_its_own_cost(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that its cost is in effect in the check and in the timed call."""
    costs: list[bucketing.Cost] = []
    split = bucketing.split

    def logging(lengths: Any) -> bucketing.Split:
        costs.append(bucketing.current())
        return split(lengths)

    monkeypatch.setattr(bucketing, "split", logging)
    own = bucketing.Cost(0.0, 0.0, 3.0)
    Benchmark(small(), {pytorch: own}).prepare(Candidate(pytorch, "bucketed", "eager")).calls["train"].start()
    assert costs == [own] * 3


def test_all_candidates_do_the_same_work(pytorch: str) -> None:
    """Check that a quantity that one variant omits is asked of none."""
    assert set(Benchmark(small()).case.cotangents) == {"y", "h"}


def test_flops_are_those_of_the_literature() -> None:
    """Check an LSTM, both phases and directions, and a lookup without arithmetic."""
    case = small()
    steps, d, h = int(case.lengths.sum()), case.size("D"), case.size("H")
    assert flops(case, "forward") == steps * 8 * h * (d + h)
    assert flops(case, "train") == 3 * flops(case, "forward")
    assert flops(small("bidirectional.lstm"), "forward") == 2 * flops(case, "forward")
    assert flops(small("embedding.lookup", "pad_is_0"), "train") == 0


def synthetic(packed: float) -> dict[str, Array]:
    """Return ten rounds of two frameworks, with an A/A pair and a product each."""
    drift = np.linspace(1.0, 3.0, 10)
    product = 2 * PRODUCT_SIDE**3 / 2e9  # of 2 GFLOP/s
    seconds_of = {
        "pytorch.packed": packed,
        "pytorch.padded": 1.0,
        f"pytorch.packed{AGAIN}": 1.1 * packed,
        f"pytorch {PRODUCT}": product,
        "tensorflow.masked": 2.0,
        "tensorflow.packed": 0.5,
        f"tensorflow.packed{AGAIN}": 0.6,
        f"tensorflow {PRODUCT}": 2 * product,
    }
    return {name: value * drift for name, value in seconds_of.items()}


def test_metrics_count_real_steps_only() -> None:
    case = small()
    cost = bucketing.Cost(0.0, 2.0, 1.0)
    metrics = metrics_of("pytorch.packed", case, "train", synthetic(0.5), cost)
    assert metrics.median_seconds == pytest.approx(0.5 * 2.0)  # the median of the drift is 2
    assert metrics.real_steps_per_second == pytest.approx(12 / 1.0)
    assert metrics.fill == 12 / 20
    assert metrics.speedup_over == {"pytorch.padded": Ratio(2.0, 2.0, 2.0)}
    assert metrics.ideal_speedup == pytest.approx({"by_flops": 20 / 12, "with_step_floor": 20 / (4 + 3 + 2 + 2 + 2)})
    assert metrics.share_of_ideal["by_flops"] == pytest.approx(2.0 / (20 / 12))
    assert metrics.a_a.median == pytest.approx(1.1)
    assert metrics.peak_gflops == pytest.approx(2.0)
    assert metrics.share_of_peak == pytest.approx(flops(case, "train") / 1.0 / 2e9)


def test_metrics_compare_within_a_framework() -> None:
    metrics = metrics_of("tensorflow.packed", small(), "train", synthetic(0.5), None)
    assert set(metrics.speedup_over) == {"tensorflow.masked"}
    assert metrics.speedup_over["tensorflow.masked"].median == pytest.approx(4.0)
    assert metrics.a_a.median == pytest.approx(1.2)


def test_metrics_are_plain_numbers_for_json() -> None:
    metrics = metrics_of("pytorch.packed", small(), "train", synthetic(0.5), None).to_dict()
    twice = {"median": 2.0, "low": 2.0, "high": 2.0, "half_width": 0.0}
    assert metrics["speedup_over"] == {"pytorch.padded": pytest.approx(twice)}
    assert metrics["a_a"]["half_width"] == pytest.approx(0.0)


def test_more_than_the_peak_is_a_missing_wait() -> None:
    message = r"pytorch\.packed: .*GFLOP/s, expected at most the peak, 2: a wait is missing"
    with pytest.raises(InputError, match=message):
        metrics_of("pytorch.packed", small(), "train", synthetic(1e-9), None)


def test_timing_adds_an_a_a_pair_and_a_matrix_product(pytorch: str) -> None:
    prepared = {"pytorch.packed": Benchmark(small()).prepare(Candidate(pytorch, "packed", "eager"))}
    times = time_all({name: one.calls["forward"] for name, one in prepared.items()}, 0.0, least=2)
    assert set(times) == {"pytorch.packed", f"pytorch.packed{AGAIN}", f"pytorch {PRODUCT}"}
    assert find("rnn.lstm").variants[pytorch][0] == "packed"
