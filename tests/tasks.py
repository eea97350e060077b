"""Tasks that go wrong in every way, light enough for a worker process to import at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import current_process, parent_process
from typing import Any, NoReturn


class Unreadable:
    """Something that can be sent, and cannot be rebuilt where it arrives."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return _rebuild, (current_process().name,)


def _rebuild(made_in: str) -> object:
    if current_process().name != made_in:
        raise ValueError("cannot be rebuilt here")
    return Unreadable()


def hang(*_: object) -> NoReturn:
    while True:
        time.sleep(60)


def leave_a_child() -> NoReturn:
    """End, and leave a process behind that keeps the connection open for a while."""
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(5)
    os._exit(4)


def kill_this_process() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    hang()


def close_everything() -> NoReturn:
    os.closerange(3, 256)
    hang()


def interrupt() -> NoReturn:
    raise KeyboardInterrupt


def nest() -> object:
    nested: list[Any] = []
    for _ in range(10**5):
        nested = [nested]
    return nested


ACTIONS: dict[str, Callable[[], object]] = {
    "fine": lambda: "fine",
    "raises": lambda: 1 / 0,
    "exits": lambda: sys.exit(0),
    "interrupts": interrupt,
    "cannot be sent": lambda: lambda: None,
    "is too deep": nest,
    "cannot be rebuilt": Unreadable,
    "dies": lambda: os._exit(3),
    "is killed": kill_this_process,
    "leaves a child": leave_a_child,
    "closes everything": close_everything,
    "hangs": hang,
    "where": lambda: "in a worker" if parent_process() else "here",
}


@dataclass(frozen=True)
class Act:
    """A task that performs one of `ACTIONS`; those with the same batch run in one process."""

    action: str
    batch: str
    number: int = 0

    @property
    def group_key(self) -> tuple[str, ...]:
        return (self.batch,)

    @property
    def cost(self) -> int:
        return 1

    def run(self) -> list[Any]:
        return [ACTIONS[self.action]()]

    def on_crash(self, reason: str) -> list[Any]:
        return [reason]


def acts(*actions: str, batch: str = "batch") -> list[Act]:
    return [Act(action, batch, number) for number, action in enumerate(actions)]
