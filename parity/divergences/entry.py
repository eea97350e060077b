"""A divergence: what people write or believe, as code that runs, with the values that it gave and what they mean."""

from __future__ import annotations

import inspect
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from msgspec import Struct

from parity import frameworks
from parity.checks.result import FAILED, PASSED, SKIPPED, Status
from parity.errors import choose, first_lines, message_of, of_kind

DIFFERS, TRUE, PARTLY, DEPENDS, FALSE = "differs", "true", "partly true", "depends", "false"
VERDICTS = {
    DIFFERS: "the frameworks, or their versions, give different results",
    TRUE: "a belief that holds",
    PARTLY: "a belief that holds under a condition",
    DEPENDS: "a belief that holds on some machines, at some sizes, and not on others",
    FALSE: "a belief that does not hold",
}

INDENT = re.compile(r"^ {8}", re.MULTILINE)  # of a snippet in its class; a string in it may have lines without
LAST_RETURN = re.compile(r"^return ", re.MULTILINE)  # at the top of a snippet, which ends with one

Values = Mapping[str, Any]  # what a snippet returns: numbers, truth values, strings, or lists of them, by name

CLOSE = 1e-3  # relative: an entry states three digits


@dataclass(frozen=True)
class Divergence:
    """A known difference between the frameworks, or a belief about them, kept as a claim that runs.

    Attributes:
        name: "topic.entry", e.g. ``"loss.all_ignored"``; also its anchor in the report.
        claim: what people write or believe, in a sentence.
        verdict: one of `VERDICTS`.
        snippets: framework -> the naive code, a function without arguments that returns values by name.
        expected: framework -> the values that the code returned when the entry was written.
        why: the reason.
        instead: what to write instead.
        operation: the row of `parity.OPERATIONS` that does so; empty when none does.
        sources: documentation, issues, papers.
        needs: packages without which it cannot be tried, beside the framework.
    """

    name: str
    claim: str
    verdict: str
    snippets: Mapping[str, Callable[[], Values]]
    expected: Mapping[str, Values]
    why: str
    instead: str
    operation: str
    sources: tuple[str, ...]
    needs: tuple[str, ...] = ()

    def code(self, framework: str) -> str:
        """Return a framework's snippet as one would write it: the body of its function."""
        return _body(self._snippet(framework))

    def program(self, framework: str) -> str:
        """Return a framework's snippet as a program, which prints the values in place of returning them.

        >>> from parity.divergences import find
        >>> find("loss.all_ignored").program("pytorch").splitlines()[-1].startswith("print(")
        True
        """
        return as_program(self.code(framework))

    def has(self, words: Iterable[str]) -> bool:
        """Tell whether all words are in its text or code, in any case; several in one string are words too.

        >>> from parity.divergences import find
        >>> find("loss.all_ignored").has(["keras", "ignored"])
        True
        """
        code = " ".join(map(self.code, self.snippets))
        return _has_all(words, self.name, self.claim, self.why, self.instead, code)

    def run(self, framework: str) -> Values:
        """Return what a framework's snippet gives today.

        Raises:
            InputError: it has none for that framework.
            FrameworkUnavailable: the framework cannot be loaded.
        """
        snippet = self._snippet(framework)
        runtime = frameworks.runtime(framework)  # loads the framework quietly, and with the right backend
        with runtime.settings(), without_warnings():  # naive code makes frameworks warn; see the values
            return snippet()

    def _snippet(self, framework: str) -> Callable[[], Values]:
        return self.snippets[choose("framework", framework, self.snippets)]

    def stale(self, framework: str, observed: Values) -> str:
        """Say what to mend, if the observed values are not those of the entry; nothing if they are."""
        expected = self.expected[framework]
        changed = [
            f"{name} is {shown(observed.get(name, 'missing'))}, expected {shown(expected.get(name, 'nothing'))}"
            for name in dict.fromkeys([*expected, *observed])
            if name not in observed or name not in expected or not same(observed[name], expected[name])
        ]
        if not changed:
            return ""
        topic, _, entry = self.name.partition(".")
        mend = f"Mend `{entry}` in parity.divergences.{topic}: its values, its verdict and its text"
        return f"{self.name}, {framework}: {'; '.join(changed)}. {mend}"


@cache  # each search reads the sources of all snippets
def _body(snippet: Callable[[], Values]) -> str:
    _, _, body = inspect.getsource(snippet).partition("():\n")
    return INDENT.sub("", body).strip()


def _has_all(words: Iterable[str], *texts: str) -> bool:
    text = " ".join(texts).lower()
    return all(word in text for several in words for word in several.lower().split())


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore warnings, and those that a logger writes."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def as_program(code: str) -> str:
    r"""Return a snippet as a program, which prints what the snippet returns at its end.

    >>> as_program("x = 1\nreturn {'x': x}")
    "x = 1\nprint({'x': x})"
    """
    starts = [match.start() for match in LAST_RETURN.finditer(code)]
    return f"{code[: starts[-1]]}print({code[starts[-1] :].removeprefix('return ')})" if starts else code


class Trial(Struct, frozen=True):
    """One framework's snippet of one entry, run today.

    Attributes:
        name, framework: the entry and the framework.
        status: "passed" if the entry is up to date, "failed" if it is not, "skipped" if the framework is absent.
        reason: what to mend, or why it could not run; empty when it passed.
        code: the snippet.
        expected: the values of the entry, as text.
        observed: the values of today, as text.
    """

    name: str
    framework: str
    status: Status
    reason: str = ""
    code: str = ""
    expected: dict[str, str] = {}
    observed: dict[str, str] = {}


class DivergenceEntry(Struct, frozen=True):
    """An entry as a report has it: its text, and a trial for each framework that was tried."""

    name: str
    claim: str
    verdict: str
    why: str
    instead: str
    operation: str
    sources: tuple[str, ...]
    frameworks: dict[str, Trial]

    @property
    def topic(self) -> str:
        """Return the part of its name before the dot."""
        return self.name.partition(".")[0]

    @property
    def is_stale(self) -> bool:
        """Tell whether some framework gives other values than the entry states."""
        return any(trial.status == FAILED for trial in self.frameworks.values())


def report_entry(divergence: Divergence, trials: Iterable[Trial]) -> DivergenceEntry:
    """Join an entry and its trials, for a report."""
    return DivergenceEntry(
        name=divergence.name,
        claim=divergence.claim,
        verdict=divergence.verdict,
        why=divergence.why,
        instead=divergence.instead,
        operation=divergence.operation,
        sources=divergence.sources,
        frameworks={trial.framework: trial for trial in sorted(trials, key=lambda trial: trial.framework)},
    )


def try_out(divergence: Divergence, framework: str) -> Trial:
    """Run a framework's snippet and compare its values with those of the entry.

    Raises:
        InputError: no entry, or one without a snippet for that framework.
    """
    of_kind("divergence", divergence, Divergence, "one of parity.divergences.DIVERGENCES")
    choose("framework", framework, divergence.snippets)
    reason, broken = frameworks.unavailable(framework)
    if reason:
        return trial(divergence, framework, FAILED if broken else SKIPPED, reason)
    if absent := [package for package in divergence.needs if find_spec(package) is None]:
        return trial(divergence, framework, SKIPPED, f"{absent[0]} is not installed")
    try:
        observed = divergence.run(framework)
    except Exception as error:  # whatever it raises is news about the framework
        observed = {"raised": first_lines(message_of(error))}
    stale = divergence.stale(framework, observed)
    return trial(divergence, framework, FAILED if stale else PASSED, stale, observed)


def trial(
    divergence: Divergence, framework: str, status: Status, reason: str = "", observed: Values | None = None
) -> Trial:
    """Make a trial, its values as text."""
    return Trial(
        name=divergence.name,
        framework=framework,
        status=status,
        reason=reason,
        code=divergence.code(framework),
        expected={name: shown(value) for name, value in divergence.expected[framework].items()},
        observed={name: shown(value) for name, value in (observed or {}).items()},
    )


def divergence(
    *,
    claim: str,
    verdict: str,
    expected: Mapping[str, Values],
    why: str,
    instead: str,
    sources: tuple[str, ...],
    operation: str = "",
    needs: tuple[str, ...] = (),
) -> Callable[[type], Divergence]:
    """Turn a class of snippets, one function for each framework, into an entry named after it and its module."""

    def entry(snippets: type) -> Divergence:
        topic = snippets.__module__.rpartition(".")[2]
        functions = vars(snippets)
        return Divergence(
            name=f"{topic}.{snippets.__name__}",
            claim=claim,
            verdict=verdict,
            snippets={name: functions[name] for name in frameworks.FRAMEWORKS if name in functions},
            expected=expected,
            why=why,
            instead=instead,
            operation=operation,
            sources=sources,
            needs=needs,
        )

    return entry


def same(observed: Any, expected: Any) -> bool:
    """Compare two values to three digits; NaN equals NaN."""
    if isinstance(observed, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(observed) == len(expected) and all(map(same, observed, expected))
    if (
        isinstance(observed, bool)
        or isinstance(expected, bool)
        or isinstance(observed, str)
        or isinstance(expected, str)
    ):
        return type(observed) is type(expected) and bool(observed == expected)
    return math.isclose(observed, expected, rel_tol=CLOSE, abs_tol=1e-9) or (
        math.isnan(observed) and math.isnan(expected)
    )


def shown(value: Any) -> str:
    """Return a value as text for a reader.

    >>> shown([0.94925, True, 3])
    '[0.949, yes, 3]'
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.3g}"
    return str(value)


def raised(call: Callable[[], Any], says: str = "") -> str:
    """Return how a call fails: the exception's name, and ``says`` if its message has it.

    >>> raised(lambda: int("x"), says="invalid literal")
    'ValueError: … invalid literal …'
    >>> raised(lambda: 1)
    'nothing raised'
    """
    try:
        call()
    except Exception as error:  # any of them is an answer
        name = type(error).__name__
        return f"{name}: … {says} …" if says and says in str(error) else first_lines(f"{name}: {error}")
    return "nothing raised"
