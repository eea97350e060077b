"""Keep what a model of a user's does to the process from outliving its run."""

from __future__ import annotations

import decimal
import gc
import io
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np


class Exited(Exception):
    """The model tried to end the process."""


def _no_exit(status: int = 0) -> NoReturn:
    raise Exited(f"it called os._exit({status})")


@contextmanager
def isolated() -> Iterator[None]:
    """Restore what a model changes of the process; swallow prints; let nothing end the process.

    These are random numbers, warnings, the folder, the environment, ``sys.path``, levels and handlers of logging,
    handlers of signals, limits, and options of NumPy. A framework's own settings are the business of its side.
    """
    saved = [(write, read()) for read, write in SETTINGS]
    leave = os._exit
    try:
        os._exit = _no_exit
        with warnings.catch_warnings(), np.errstate(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except SystemExit as error:
        raise Exited(f"it called sys.exit({error.code!r})") from error
    finally:
        os._exit = leave
        for write, value in saved:
            write(value)


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return partial(getattr, owner, name), partial(setattr, owner, name)


def contents(container: Any) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """Return functions that read and restore what is in a list or a dict, which stays the same object."""

    def write(value: Any) -> None:
        if container != value:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(value)

    return container.copy, write


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed before
        return None


def _to_folder(folder: Path | None) -> None:
    if folder is not None and _folder() != folder:
        os.chdir(folder)


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _to_environment(variables: dict[str, str]) -> None:
    if dict(os.environ) != variables:
        os.environ.clear()
        os.environ.update(variables)


HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP") if hasattr(signal, name))


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in HANDLED}


def _to_handlers(handlers: dict[int, Any]) -> None:
    if threading.current_thread() is not threading.main_thread():  # nor could the model have changed them
        return
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _collecting(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()


def _logging() -> tuple[int, int, list[Any]]:
    return logging.root.level, logging.root.manager.disable, list(logging.root.handlers)


def _to_logging(state: tuple[int, int, list[Any]]) -> None:
    if _logging() == state:
        return
    level, disabled, logging.root.handlers[:] = state
    logging.root.setLevel(level)
    logging.disable(disabled)


SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], None]], ...] = (  # how to read each, and how to write it
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (_folder, _to_folder),
    (_environment, _to_environment),
    contents(sys.path),
    contents(sys.argv),
    contents(sys.meta_path),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    _attribute(sys, "excepthook"),
    (_handlers, _to_handlers),
    (gc.isenabled, _collecting),
    (_logging, _to_logging),
    (np.get_printoptions, lambda options: np.set_printoptions(**options)),
    (lambda: decimal.getcontext().copy(), decimal.setcontext),
)
