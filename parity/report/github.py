"""What GitHub Actions is told of a report: its Markdown for the summary of the job, and an annotation for each failure.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from parity.checks.result import sentence
from parity.errors import printable
from parity.report.markdown import markdown
from parity.report.truncation import line
from parity.report.view import TITLE, View, view

SUMMARY, ACTIONS = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"  # variables of the environment
MOST = 10  # annotations of a step that are shown
LONGEST = 2000  # characters of one
DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY = DATA | {":": "%3A", ",": "%2C"}


def listens() -> bool:
    """Whether there is anyone to tell."""
    return bool(os.environ.get(SUMMARY)) or _in_actions()


def tell(record: Mapping[str, Any], say: Callable[[str], object], warn: Callable[[str], object]) -> None:
    """Tell GitHub what a record comes to, if it listens. Only the process that writes the report may do it.

    Args:
        record: as for `parity.report.write`.
        say: prints a line to stdout, as it is.
        warn: told if the summary cannot be written; nothing is lost by that.
    """
    if not listens():
        return
    seen = view(record)
    if summary := os.environ.get(SUMMARY):
        try:
            with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(markdown(seen))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else error
            warn(f"the summary of the job could not be written to {printable(repr(summary))}: {said}")
    if _in_actions():
        for command in commands(seen):
            say(command)


def _in_actions() -> bool:
    return os.environ.get(ACTIONS) == "true"


def commands(seen: View) -> list[str]:
    """A command for each thing that failed, the worst first; the last of too many counts the others.

    >>> from parity.report import record
    >>> commands(view(record([], {}, seed=0, seconds=0.0, planned=0, checked=0)))
    ['::error title=Padding parity::nothing was compared, which is a failure (0 expected failures, 0 skipped)']
    """
    if not seen.failed:
        return []
    failed = list(_failed(seen)) or [(TITLE, seen.verdict)]
    if len(failed) > MOST:
        others = f"{len(failed) - MOST + 1} more failures", f"{seen.verdict}; the summary and the report have more"
        failed = [*failed[: MOST - 1], others]
    return [_command(*one) for one in failed]


def _failed(seen: View) -> Iterator[tuple[str, str]]:
    """A title and a message for each."""
    for group in seen.failures:
        worst = group.worst
        others = f"\n{_cut(group.others)}" if group.others else ""
        title = f"{worst['operation']} {group.subject} breaks {worst['contract']}"
        yield title, f"{_cut(sentence(worst))}\nagain: {_cut(worst['reproduce'])}{others}"
    for entry in seen.stale:
        reasons = [tried["reason"] for tried in entry["frameworks"].values() if tried["status"] == "failed"]
        yield f"{entry['name']} is not as described", "\n".join(map(_cut, reasons))
    for mutant in seen.survivors:
        yield f"mutant {mutant['name']} {mutant['status']}", f"{_cut(mutant['what'])}\n{_cut(mutant['reason'])}"
    for alarm in seen.alarms:
        yield f"false alarm in {alarm['operation']}", f"{_cut(sentence(alarm))}\nagain: {_cut(alarm['reproduce'])}"


def _cut(text: str) -> str:
    return line(text, LONGEST)


def _command(title: str, message: str) -> str:
    r"""An error, as a workflow command: one line that no text can end or add to.

    >>> _command("rnn.lstm: 100 %, at once", "one\ntwo: 3 %")
    '::error title=rnn.lstm%3A 100 %25%2C at once::one%0Atwo: 3 %25'
    """
    return f"::error title={_escaped(line(title, 200), PROPERTY)}::{_escaped(message, DATA)}"


def _escaped(text: str, letters: Mapping[str, str]) -> str:
    return "".join(letters.get(letter, letter) for letter in text)
