"""Which variant trains fastest, in how many batches, and by how much: what a reader takes from hundreds of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from parity.report.formatting import number
from parity.report.timings import BATCH, Row, entries, grouped

Gains = dict[str, float]  # a variant of one framework -> how many times as fast as padding, in training


def fastest(rows: Sequence[Row]) -> list[str]:
    """A sentence for each framework; nothing where no speed-up was measured.

    Speed-ups are compared, not rates: they are from rounds taken in turns, and so much surer.

    >>> batch = {"operation": "rnn.gru", "config": "tanh", "distribution": "uniform", "B": 4, "T": 9, "D": 2, "H": 2}
    >>> one = batch | {"framework": "pytorch", "mode": "eager", "phase": "train"}
    >>> padded, over = one | {"variant": "padded", "speedup": None}, "pytorch.padded"
    >>> fastest([padded, one | {"variant": "packed", "speedup": {"median": 0.48, "over": over}}])
    ['with pytorch: padded in 1 of 1']
    >>> fastest([padded, one | {"variant": "packed", "speedup": {"median": 2.5, "over": over}}])
    ['with pytorch: packed in 1 of 1 (2.5 times padding)']
    """
    batches = [_by_framework(group) for group in grouped(rows, BATCH)]
    frameworks = dict.fromkeys(framework for batch in batches for framework in batch)
    return [
        f"with {framework}: {_said([batch[framework] for batch in batches if framework in batch])}"
        for framework in frameworks
    ]


def _by_framework(batch: Sequence[Row]) -> dict[str, Gains]:
    """Each framework's speed-ups in a batch; without those that have nothing to compare."""
    found: dict[str, Gains] = {}
    for (framework, label), phases in entries(batch).items():
        for row in phases:
            gain = _gain(row, batch) if row["phase"] == "train" else None
            if gain is not None:
                found.setdefault(framework, {})[label] = gain
    return found


def _gain(row: Row, batch: Iterable[Row]) -> float | None:
    """How many times as fast as padding; padding itself is 1 where others were compared with it."""
    if row["speedup"]:
        gain: float | None = row["speedup"]["median"]
        return gain
    compared = {other["speedup"]["over"] for other in batch if other["phase"] == row["phase"] and other["speedup"]}
    return 1.0 if f"{row['framework']}.{row['variant']}" in compared else None


def _said(batches: Sequence[Gains]) -> str:
    """Each variant that is the fastest anywhere, the most frequent first, and what it gains in all batches."""
    wins = Counter(max(batch, key=lambda label: batch[label]) for batch in batches)
    said: list[str] = []
    for label, count in wins.most_common():
        of_all = "" if said else f" of {len(batches)}"
        said.append(f"{label} in {count}{of_all}{_range([batch[label] for batch in batches if label in batch])}")
    return ", ".join(said)


def _range(gains: Sequence[float]) -> str:
    """From the smallest to the largest; nothing for padding itself."""
    low, high = number(min(gains)), number(max(gains))
    return "" if min(gains) == max(gains) == 1 else f" ({low if low == high else f'{low} to {high}'} times padding)"
