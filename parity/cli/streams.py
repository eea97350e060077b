"""Fit the standard streams and signals to wherever a command runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NoReturn

INTERRUPTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
RECEIVED: list[int] = []  # the interrupts of this command
_IGNORED: dict[int, Any] = {}  # the handlers of those that are ignored


class Output:
    """A stream that takes any text, and drops what can no longer be written.

    Results matter more than the print. Characters that the encoding lacks are escaped.

    Attributes:
        error: why the stream could not be written; None while it can.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None
        if hasattr(stream, "reconfigure"):
            self._attempt(lambda: stream.reconfigure(errors="backslashreplace"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        self._attempt(self._stream.flush)

    def _attempt(self, call: Callable[[], object]) -> None:
        if self.error:
            return
        try:
            call()
        except OSError as error:
            self.error = error
            with suppress(OSError):  # what is buffered would fail once more when Python exits
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def run(command: Callable[[], int]) -> int:
    """Run a command and return its exit status.

    It is 130 if the command is interrupted, by Ctrl-C, SIGTERM or SIGHUP, and 1 if stdout cannot be written. A reader
    that leaves, such as ``head``, changes nothing.
    """
    _open_closed_streams()
    output, errors = Output(sys.stdout), Output(sys.stderr)
    with redirect_stdout(output), redirect_stderr(errors), _interruptible():
        try:
            status = command()
        except BaseException as error:
            if not RECEIVED and not isinstance(error, KeyboardInterrupt):
                raise
            print("parity: interrupted", file=errors)  # some imports make an ImportError of it
            exec("")  # after an interrupt in exec(), as of a dataclass, Python would end itself by a signal
            status = 130
        output.flush()
        if output.error and not isinstance(output.error, BrokenPipeError):
            print(f"parity: failed: stdout cannot be written: {output.error.strerror}", file=errors)
            status = status or 1
        errors.flush()
    return status


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that is closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # that of the stream, which some other file would get
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


@contextmanager
def _interruptible() -> Iterator[None]:
    previous = {number: signal.getsignal(number) for number in INTERRUPTS}
    RECEIVED.clear()
    _IGNORED.clear()
    try:
        for number, handler in previous.items():
            if handler in (signal.SIG_DFL, signal.default_int_handler):  # others are somebody's choice, as of nohup
                _handle(number, _interrupt)
        yield
    finally:
        for number, handler in previous.items():
            _handle(number, handler)


def ignore_interrupts() -> None:
    """Let nothing stop what follows, such as the writing of a report, until `heed_interrupts` or the end of `run`."""
    for number in INTERRUPTS:
        _IGNORED.setdefault(number, signal.getsignal(number))
        _handle(number, signal.SIG_IGN)


def heed_interrupts() -> None:
    """Handle interrupts again as before `ignore_interrupts`, since what follows may block, such as a print."""
    while _IGNORED:
        _handle(*_IGNORED.popitem())


def _handle(number: int, handler: Any) -> None:
    with suppress(ValueError, TypeError):  # only the main thread may; None is a handler that is not of Python
        signal.signal(number, handler)


def _interrupt(number: int, _: object) -> NoReturn:
    RECEIVED.append(number)
    raise KeyboardInterrupt
