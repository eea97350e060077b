"""Rank the variants of each framework in training, for each batch: the table that a reader looks up lengths in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from parity.report.formatting import number, percent
from parity.report.groups import group_by
from parity.report.plots.tables import interval, sizes
from parity.report.speedups import TRAIN, batches, is_disturbed
from parity.throughput.results import TimedVariant

HEADS = ("lengths", "real steps", "operation", "B · T · D · H", "framework", "fastest first", "A/A")


class Ranking(NamedTuple):
    """The cells of a row, under `HEADS`, and whether something disturbed the machine."""

    cells: tuple[str, ...]
    disturbed: bool


def rankings(rows: Iterable[TimedVariant]) -> list[Ranking]:
    """Return a row for each batch and framework; batches of the same lengths together."""
    trained = [row for row in rows if row.phase == TRAIN]
    by_lengths = group_by(batches(trained), lambda batch: batch[0].distribution)
    return [
        _ranking(of_framework)
        for of_lengths in by_lengths.values()
        for batch in of_lengths
        for of_framework in group_by(batch, lambda row: row.framework).values()
    ]


def _ranking(rows: Sequence[TimedVariant]) -> Ranking:
    first, ordered = rows[0], sorted(rows, key=lambda row: row.steps_per_second.median or 0.0, reverse=True)
    worst = max(rows, key=is_disturbed)
    cells = (
        first.distribution,
        percent(first.fill),
        first.operation,
        sizes(first),
        f"{first.framework} ({first.device})",
        ", ".join(map(_entry, ordered)),
        interval(worst.a_a),
    )
    return Ranking(cells, is_disturbed(worst))


def _entry(row: TimedVariant) -> str:
    if row.speedup is None or row.speedup.median is None:
        return row.variant
    return f"{row.variant} {number(row.speedup.median)}"
