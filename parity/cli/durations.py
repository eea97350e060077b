"""Print which operations took longest: ``parity check --durations``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping

from parity.checks.check import Check, number_of_runs
from parity.checks.costs import Duration
from parity.checks.runner import Task
from parity.divergences import TrialTask
from parity.errors import whole_number
from parity.report.groups import group_by
from parity.training import Training

SLOWEST = 10  # unless another number is given


def add_durations(parser: argparse.ArgumentParser) -> None:
    """Add the number of operations whose durations are printed."""
    shown = f"print the seconds of the N slowest operations (default {SLOWEST}), or of all for 0"
    parser.add_argument("--durations", type=int, nargs="?", const=SLOWEST, metavar="N", help=shown)


def slowest(durations: Iterable[Duration], count: int) -> list[Duration]:
    """Return the rows of the operations that took longest, the slowest first; those of all for a count of 0.

    Raises:
        InputError: ``count`` is not 0 or more.
    """
    whole_number("durations", count)
    operations = sorted(group_by(durations, lambda row: row.operation).values(), key=_seconds, reverse=True)
    return [row for rows in operations[: count or None] for row in sorted(rows, reverse=True)]


def durations(seconds: Mapping[Task, float]) -> list[Duration]:
    """Add up the seconds of tasks by operation and framework."""
    timed = [(*_operation(task), taken) for task, taken in seconds.items()]
    groups = group_by(timed, lambda one: (one[0], one[1]))
    return [
        Duration(sum(one[3] for one in group), sum(one[2] for one in group), framework, operation)
        for (operation, framework), group in groups.items()
        if framework
    ]


def _operation(task: Task) -> tuple[str, str, int]:
    """Return what a task counts as, its framework, and its runs."""
    if isinstance(task, Check):
        return task.operation, task.framework, max(1, number_of_runs(task))
    if isinstance(task, Training):
        return "training", task.framework, 1
    if isinstance(task, TrialTask):
        return "divergences", task.framework, 1
    return str(task), "", 1


def lines(rows: Iterable[Duration]) -> Iterator[str]:
    """Yield the lines of a table that `parity.checks.costs` reads.

    >>> list(lines([Duration(1.25, 50, "pytorch", "rnn.gru")]))
    ['    1.25 s     50 runs  pytorch     rnn.gru']
    """
    for seconds, runs, framework, operation in rows:
        yield f"{seconds:>8.2f} s {runs:>6} runs  {framework:<10}  {operation}"


def _seconds(rows: Iterable[Duration]) -> float:
    return sum(row.seconds for row in rows)
