"""Run tasks while a bar shows how far it is, until they are done or somebody interrupts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from parity.checks.runner import Runner, Task
from parity.cli.terminal import progress
from parity.report.journal import Keeper, plain

ENDING = (signal.SIGINT, signal.SIGTERM)


def verdicts(runner: Runner, keeper: Keeper | None = None) -> tuple[dict[Task, list[Any]], bool]:
    """The verdict on every task, as far as they came, and whether somebody interrupted.

    What comes is kept as soon as it is there, if a ``keeper`` is given.
    """
    verdicts: dict[Task, list[Any]] = {}
    try:
        with progress() as bars:
            bar = bars.add_task("starting", total=len(runner.tasks))
            for done, found in runner:
                verdicts[done] = found
                if keeper:
                    keeper.keep(str(done), plain(found), runner.environment)
                bars.update(bar, advance=1, description=str(done))
    except KeyboardInterrupt:
        return verdicts, True
    finally:
        for one in ENDING:  # nothing may now come between the results and their report
            signal.signal(one, signal.SIG_IGN)
        runner.close()
    return verdicts, False


@contextmanager
def signals() -> Iterator[None]:
    """To be terminated is to be interrupted; afterwards, signals mean what they meant before."""
    before = {one: signal.getsignal(one) for one in ENDING}
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
