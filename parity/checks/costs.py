"""Estimate how many seconds tasks take, from a table that ``parity check --durations 0`` prints.

The table is `durations.txt` beside this module: for each operation and framework the seconds that all runs of it took,
in one process, and the number of runs. To renew it, replace its rows by those of ``parity check --durations 0``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

TABLE = files("parity.checks") / "durations.txt"
UNKNOWN = 0.02  # seconds of a run that nobody has measured


class Duration(NamedTuple):
    """The seconds that all runs of one operation in one framework took, and how many they were."""

    seconds: float
    runs: int
    framework: str
    operation: str


def estimate(operation: str, framework: str, runs: int = 1) -> float:
    """Estimate the seconds that so many runs take.

    Args:
        operation: of the operations table, or "training" or "divergences".

    >>> estimate("rnn.lstm", "tensorflow", runs=2) == 2 * estimate("rnn.lstm", "tensorflow")
    True
    """
    return runs * _seconds_of_a_run().get((operation, framework), UNKNOWN)


@cache
def _seconds_of_a_run() -> dict[tuple[str, str], float]:
    rows = parse(TABLE.read_text(encoding="utf-8"))
    return {(row.operation, row.framework): row.seconds / row.runs for row in rows}


def parse(text: str) -> list[Duration]:
    r"""Return the rows of a table; a line with another number of words is no row.

    >>> parse("seconds runs framework operation\n  1.25 s  50 runs  pytorch  rnn.gru")
    [Duration(seconds=1.25, runs=50, framework='pytorch', operation='rnn.gru')]
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 6 and words[1::2][:2] == ["s", "runs"]:
            found.append(Duration(float(words[0]), int(words[2]), words[4], words[5]))
    return found
