"""Timed variants, put together by what they have in common: the same batch, or the same operation and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
BATCH = ("operation", "config", "distribution", "B", "T", "D", "H")
SCALE = ("operation", "config", "B", "D", "H")  # whatever the lengths are


def grouped(rows: Sequence[Row], names: Sequence[str]) -> list[list[Row]]:
    """Rows with the same values of some fields, in their order."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(key(row, names), []).append(row)
    return list(found.values())


def key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    """The values of some fields."""
    return tuple(row[name] for name in names)


def label(row: Row, above: Sequence[Row] = ()) -> str:
    """A variant's name; with its mode if it stands there in another already.

    >>> row = {"framework": "tensorflow", "variant": "masked", "mode": "graph"}
    >>> label(row), label(row | {"mode": "xla"}, [row])
    ('masked', 'masked (xla)')
    """
    same = [one["mode"] for one in above if (one["framework"], one["variant"]) == (row["framework"], row["variant"])]
    return str(row["variant"]) if row["mode"] in [*same, row["mode"]][:1] else f"{row['variant']} ({row['mode']})"


def entries(group: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """For each framework and label the rows of its phases."""
    found: dict[tuple[str, str], list[Row]] = {}
    for place, row in enumerate(group):
        found.setdefault((row["framework"], label(row, group[:place])), []).append(row)
    return found


def fastest(group: Sequence[Row]) -> list[Row]:
    """The fastest of each framework, in training if that was timed."""
    phase = "train" if any(row["phase"] == "train" for row in group) else group[0]["phase"]
    timed = sorted((row for row in group if row["phase"] == phase), key=lambda row: -(_rate(row) or 0))
    by_framework = grouped(timed, ("framework",))
    return sorted((rows[0] for rows in by_framework), key=lambda row: str(row["framework"]))


def _rate(row: Row) -> float | None:
    median: float | None = row["steps_per_second"]["median"]
    return median
