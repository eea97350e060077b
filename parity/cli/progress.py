"""Run tasks behind a progress bar until they are done or somebody interrupts them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from parity.checks.runner import Runner, Task
from parity.cli.terminal import progress_bar
from parity.report.journal import Journal, entry

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def run_tasks(runner: Runner, journal: Journal | None = None) -> tuple[dict[Task, list[Any]], bool]:
    """Run all tasks; return the results of each that is done, and whether somebody interrupted.

    A journal keeps the results of each task as soon as it is done.
    """
    results: dict[Task, list[Any]] = {}
    try:
        with progress_bar() as bars:
            bar = bars.add_task("starting", total=len(runner.tasks))
            for task, results_of_task in runner:
                results[task] = results_of_task
                if journal:
                    journal.keep(entry(task, results_of_task, runner.environment))
                bars.update(bar, advance=1, description=str(task))
    except KeyboardInterrupt:
        return results, True
    finally:
        for number in INTERRUPTS:  # a second interrupt must not stop the report from being written
            signal.signal(number, signal.SIG_IGN)
        runner.close()
    return results, False


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C; restore the previous handlers on exit."""
    previous = {number: signal.getsignal(number) for number in INTERRUPTS}
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
