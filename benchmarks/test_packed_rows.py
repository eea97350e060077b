"""Compare rows that hold several documents with a padded row for each document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import LEAST, Bench
from benchmarks.grid import Size
from benchmarks.replay import clock, replay
from parity import frameworks
from parity.arrays import Array, Lengths
from parity.cases.case import Case
from parity.cases.documents import packed_again, unpacked
from parity.cases.lengths import sample_lengths
from parity.cases.sampling import with_lengths
from parity.checks.comparison import compare
from parity.operations import find
from parity.throughput.benchmark import Benchmark, Candidate, usual_mode
from parity.throughput.timing import TimedCall, interleaved, ratio

BUDGET = 2.0  # seconds for the rounds of a framework


@dataclass(frozen=True)
class Kind:
    """An operation on packed rows, and one that computes the same on rows of one document; configurations of both."""

    packed: str
    config: str
    padded: str
    padded_config: str

    def __str__(self) -> str:
        return self.packed


KINDS = (
    Kind("documents.self_attention", "causal", "decoder.self_attention", "two_heads"),
    Kind("documents.gru", "one_layer", "rnn.gru", "one_layer"),
)
PADDED = {"pytorch": ("layer", "scaled_dot_product", "padded", "packed"), "tensorflow": ("layer", "padded", "masked")}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
@pytest.mark.benchmark(group="packed rows", timer=clock)
def test_packed_rows(benchmark: Any, bench: Bench, framework: str, kind: Kind) -> None:
    """Train on the same documents, packed and padded, after both gave the same answers."""
    if frameworks.is_absent(framework):
        pytest.skip(frameworks.missing(framework))
    packed, padded = cases(kind, bench.sizes["small"])
    benches = [Benchmark(case, device=bench.device) for case in (packed, padded)]
    assert_same_answers(packed, *benches)
    mode = usual_mode(framework) if bench.timing else "eager"
    calls = {
        f"{layout} {variant}": group.prepare(Candidate(framework, variant, mode)).calls["train"]
        for layout, group in zip(("packed", "padded"), benches, strict=True)
        for variant in group.case.row.variants[framework]
        if layout == "packed" or variant in PADDED[framework]
    }
    if not bench.timing:
        benchmark.pedantic(calls[next(iter(calls))].start)
        return
    time_calls(benchmark, bench, f"{framework}, {kind}", calls, packed, padded)


def time_calls(
    benchmark: Any, bench: Bench, title: str, calls: dict[str, TimedCall], packed: Case, padded: Case
) -> None:
    """Time all calls in interleaved rounds; compare the fastest of both layouts, and all with the fastest padded."""
    times = interleaved(calls, bench.budget(BUDGET), least=LEAST)
    fastest = {layout: fastest_of(times, layout) for layout in ("packed", "padded")}
    speedups = {name: ratio(times[fastest["padded"]], rounds) for name, rounds in times.items()}
    steps = int(packed.lengths.sum())
    metrics = {
        "documents": len(padded.lengths),
        "rows": len(packed.lengths),
        "fill": {"packed": steps / packed.mask.size, "padded": steps / padded.mask.size},
        "real_steps_per_second": {name: steps / float(np.median(rounds)) for name, rounds in times.items()},
        "speedup_over_padded": {name: speedup.to_dict() for name, speedup in speedups.items()},
    }
    replay(benchmark, times[fastest["packed"]], metrics)
    bench.summary.append(
        f"{title}: {len(padded.lengths)} documents in {len(packed.lengths)} packed rows train "
        f"{speedups[fastest['packed']]} times as fast as padded ({' over '.join(fastest.values())})"
    )


def fastest_of(times: dict[str, Array], layout: str) -> str:
    """Return the name of the fastest call of a layout."""
    medians = {name: float(np.median(rounds)) for name, rounds in times.items() if name.startswith(layout)}
    return min(medians, key=lambda name: medians[name])


def cases(kind: Kind, size: Size) -> tuple[Case, Case]:
    """Return the same lognormal documents, packed into rows of T steps and each in a row of its own."""
    lengths = sample_lengths("lognormal", np.random.default_rng(0), size.batch, size.steps)
    rows = first_fit(lengths, size.steps)
    totals = np.array([sum(row) for row in rows])
    widths = {"D": size.features, "H": size.hidden}
    packed = with_lengths(kind.packed, kind.config, totals, "float32", 0, size.steps, **widths)
    segments = np.zeros((len(rows), size.steps), np.int64)
    for ids, row in zip(segments, rows, strict=True):
        ids[: sum(row)] = np.repeat(np.arange(len(row)), row)
    packed = replace(packed, arrays={**packed.arrays, "segments": segments})
    apart = unpacked(packed)
    inputs = find(kind.padded).configuration(kind.padded_config).inputs
    arrays = {name: array for name, array in apart.arrays.items() if name in inputs}
    return packed, Case(kind.padded, kind.padded_config, apart.lengths, arrays, apart.cotangents)


def first_fit(lengths: Lengths, steps: int) -> list[list[int]]:
    """Pack documents into rows of so many steps, the longest first, each into the first row where it fits.

    >>> first_fit(np.array([2, 5, 3, 4]), steps=7)
    [[5, 2], [4, 3]]
    """
    rows: list[list[int]] = []
    for length in sorted(map(int, lengths), reverse=True):
        row = next((row for row in rows if sum(row) + length <= steps), None)
        if row is None:
            rows.append(row := [])
        row.append(length)
    return rows


def assert_same_answers(packed: Case, packed_rows: Benchmark, padded_rows: Benchmark) -> None:
    """Compare the answers of both layouts, within the noise floor."""
    expected, padded = packed_rows.expected_answer, padded_rows.expected_answer.expected
    again = {name: packed_again(packed, padded[name], axes) for name, axes in packed.axes.items()}
    differences = compare(again, expected.expected, expected.floor)
    assert not [f"{difference.quantity} {difference.reason}" for difference in differences if difference.failed]
