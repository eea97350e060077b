"""Publish a report in GitHub Actions: Markdown in the job summary, an annotation for each failure.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from parity.checks.result import FAILED, Result
from parity.checks.sentences import sentence
from parity.errors import cause, printable
from parity.files import append
from parity.report.markdown import render_markdown
from parity.report.markdown_text import shorten
from parity.report.model import Report
from parity.report.own import broken_contracts
from parity.report.view import TITLE, View, arrange

SUMMARY, ACTIONS = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"  # variables of the environment
MOST = 10  # annotations of a step that are shown
LONGEST, LONGEST_TITLE = 2000, 200  # characters
DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
PROPERTY = DATA | str.maketrans({":": "%3A", ",": "%2C"})


def enabled() -> bool:
    """Tell whether this is a step of a GitHub job."""
    return bool(os.environ.get(SUMMARY)) or os.environ.get(ACTIONS) == "true"


def publish(report: Report, say: Callable[[str], object], warn: Callable[[str], object]) -> None:
    """Add a report to the job summary and print its annotations; do nothing outside of GitHub Actions.

    That of a shard is not published: it says nothing that the report of all shards does not say.

    Only the process that writes the report may call it.

    Args:
        say: prints a line to stdout, as it is.
        warn: receives a message if the summary cannot be written; the report is complete without it.
    """
    if not enabled() or report.environment.shard:
        return
    view = arrange(report)
    if summary := os.environ.get(SUMMARY):
        try:
            append(Path(summary), render_markdown(view).encode(errors="backslashreplace"))
        except (OSError, ValueError) as error:
            warn(f"the summary of the job could not be written to {printable(repr(summary))}: {cause(error)}")
    if os.environ.get(ACTIONS) == "true":
        for command in workflow_commands(view):
            say(command)


def workflow_commands(view: View) -> list[str]:
    """Return a workflow command for each failure, the worst first; the last of too many counts the others.

    >>> from parity.report import build
    >>> workflow_commands(arrange(build([], {}, seed=0, seconds=0.0, planned=0, checked=0)))
    ['::error title=Padding parity::nothing was compared, which is a failure (0 expected failures, 0 skipped)']
    """
    if not view.failed:
        return []
    failures = list(_failures(view)) or [(TITLE, view.verdict)]
    if len(failures) > MOST:
        title = f"{len(failures) - MOST + 1} more failures"
        failures = [*failures[: MOST - 1], (title, f"{view.verdict}; the summary and the report have more")]
    return [_command(title, message) for title, message in failures]


def _failures(view: View) -> Iterator[tuple[str, str]]:
    """Yield a title and a message for each."""
    for own, contract in broken_contracts(view.own):
        yield f"{own.title} breaks {contract.name}", f"{_short(contract.text)}\n{_short(own.name)}"
    for group in view.failures:
        title = f"{group.worst.operation} {group.worst.subject} breaks {group.worst.contract}"
        yield title, _message(group.worst, group.others)
    for entry in view.stale:
        reasons = [trial.reason for trial in entry.frameworks.values() if trial.status == FAILED]
        yield f"{entry.name} is not as described", "\n".join(map(_short, reasons))
    for mutant in view.survivors:
        yield f"mutant {mutant.name} {mutant.status}", f"{_short(mutant.mistake)}\n{_short(mutant.reason)}"
    for result in view.false_alarms:
        yield f"false alarm in {result.operation}", _message(result)


def _message(result: Result, others: str = "") -> str:
    lines = [_short(sentence(result)), f"reproduce: {_short(result.reproduce)}"]
    return "\n".join([*lines, _short(others)] if others else lines)


def _short(text: str) -> str:
    return shorten(text, LONGEST)


def _command(title: str, message: str) -> str:
    r"""Return an error as a workflow command: one line that no text can end or extend.

    >>> _command("rnn.lstm: 100 %, at once", "one\ntwo: 3 %")
    '::error title=rnn.lstm%3A 100 %25%2C at once::one%0Atwo: 3 %25'
    """
    return f"::error title={shorten(title, LONGEST_TITLE).translate(PROPERTY)}::{message.translate(DATA)}"
