"""Group timed variants by batch, and summarise which of them trains fastest.

Hundreds of times become one sentence for each framework: how often each variant is fastest, and by how much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from parity.report.formatting import number, plural, several
from parity.report.groups import group_by
from parity.throughput.results import Throughput, TimedVariant

TRAIN = "train"
MOST = 9  # variants in a sentence
Speedups = dict[str, float]  # label of a variant -> how many times as fast as padding, in training


def batches(rows: Iterable[TimedVariant]) -> list[list[TimedVariant]]:
    """Group rows by the batch that they were timed on."""
    return list(group_by(rows, lambda row: row.batch).values())


def labelled(batch: Iterable[TimedVariant]) -> dict[str, dict[str, list[TimedVariant]]]:
    """Return the phases of each variant of a batch, by framework and label.

    The label is the variant; a second mode of the same variant is added to it, as in "masked (xla)".
    """
    usual_modes: dict[str, str] = {}
    by_framework: dict[str, dict[str, list[TimedVariant]]] = {}
    for row in batch:
        usual = usual_modes.setdefault(row.subject, row.mode)
        label = row.variant if row.mode == usual else f"{row.variant} ({row.mode})"
        by_framework.setdefault(row.framework, {}).setdefault(label, []).append(row)
    return by_framework


def fastest_of(batch: Sequence[TimedVariant]) -> list[TimedVariant]:
    """Return the fastest variant of each framework, in training if that was timed."""
    phase = TRAIN if any(row.phase == TRAIN for row in batch) else batch[0].phase
    timed = [row for row in batch if row.phase == phase]
    by_framework = group_by(timed, lambda row: row.framework)
    return [
        max(by_framework[name], key=lambda row: row.steps_per_second.median or 0.0) for name in sorted(by_framework)
    ]


def is_disturbed(row: TimedVariant) -> bool:
    """Tell whether one variant, timed under two names, differed from itself: its A/A interval excludes 1.

    Something else took the machine's time then, and the row decides nothing.
    """
    return row.a_a.faster is not None


def timed(rows: Iterable[TimedVariant]) -> list[TimedVariant]:
    """Return the rows during which nothing disturbed the machine."""
    return [row for row in rows if not is_disturbed(row)]


def devices(rows: Iterable[TimedVariant]) -> list[str]:
    """Return the kinds of devices that were timed, such as "cpu"."""
    return list(dict.fromkeys(row.device.partition(":")[0] for row in rows))


def where_timed(throughput: Throughput) -> str:
    """Return the devices and the number of cores that a benchmark had, as in "CPU, 2 cores"."""
    kinds = [name.upper() for name in devices(throughput.rows)]
    cores = throughput.machine.cores
    return several([*kinds, plural(cores, "core") if cores else ""])


def fastest(rows: Iterable[TimedVariant], most: int = MOST) -> list[str]:
    """Return a sentence for each framework that says which variants train fastest; none without speed-ups.

    Speed-ups are compared, not rates: they are paired within interleaved rounds, and so much more precise. Rows that
    something disturbed never win.

    Args:
        most: how many variants a sentence names.
    """
    by_framework: dict[str, list[Speedups]] = {}
    for batch in batches(timed(rows)):
        for framework, variants in labelled(batch).items():
            if speedups := _training_speedups(variants):
                by_framework.setdefault(framework, []).append(speedups)
    return [f"with {framework}: {_ranking(in_batches, most)}" for framework, in_batches in by_framework.items()]


def _training_speedups(variants: dict[str, list[TimedVariant]]) -> Speedups:
    """Return the speed-ups of one framework in one batch; padding itself has 1 if others were compared with it."""
    trained = [(label, row) for label, rows in variants.items() for row in rows if row.phase == TRAIN]
    baselines = {row.speedup.over for _, row in trained if row.speedup}
    speedups = {}
    for label, row in trained:
        if row.speedup and row.speedup.median is not None:
            speedups[label] = row.speedup.median
        elif not row.speedup and row.subject in baselines:
            speedups[label] = 1.0
    return speedups


def _ranking(in_batches: Sequence[Speedups], most: int) -> str:
    """List the variants that are fastest most often, with their speed-ups in the batches in which they are."""
    winners = [max(speedups, key=lambda label: speedups[label]) for speedups in in_batches]
    ranked: list[str] = []
    for label, count in Counter(winners).most_common(most):
        of_all = "" if ranked else f" of {len(in_batches)}"
        won = [speedups[label] for speedups, winner in zip(in_batches, winners, strict=True) if winner == label]
        low, high = number(min(won)), number(max(won))
        times = low if low == high else f"{low} to {high}"
        is_padding = min(won) == max(won) == 1
        ranked.append(f"{label} in {count}{of_all}" + ("" if is_padding else f" ({times} times padding)"))
    return ", ".join(ranked)
