"""A divergence: what people write or believe, as code that runs, with what it gave and what that comes to."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from parity import frameworks
from parity.checks.result import FAILED, PASSED, SKIPPED
from parity.errors import choose, first_lines, of_kind, told

DIFFERS, TRUE, PARTLY, FALSE = "differs", "true", "partly true", "false"
VERDICTS = {
    DIFFERS: "the same intention gives different results",
    TRUE: "a belief that holds",
    PARTLY: "a belief that holds under a condition",
    FALSE: "a belief that does not hold",
}

Values = Mapping[str, Any]  # what a snippet saw: numbers, truth values, strings, or lists of them, by name

CLOSE = 1e-3  # relative: an entry says three digits


@dataclass(frozen=True)
class Divergence:
    """A known difference between the frameworks, or a belief about them, kept as a claim that runs.

    Attributes:
        name: "topic.entry", e.g. ``"loss.all_ignored"``; also its anchor in the report.
        claim: what people write or believe, in a sentence.
        verdict: one of `VERDICTS`.
        snippets: framework -> the naive code, a function without arguments that returns what it saw.
        seen: framework -> what the code gave when the entry was written.
        why: the reason.
        instead: what to write instead.
        operation: the row of `parity.OPERATIONS` that does so; empty when none does.
        sources: documentation, issues, papers.
    """

    name: str
    claim: str
    verdict: str
    snippets: Mapping[str, Callable[[], Values]]
    seen: Mapping[str, Values]
    why: str
    instead: str
    operation: str
    sources: tuple[str, ...]

    def code(self, framework: str) -> str:
        """A framework's snippet as one would write it: the body of its function."""
        _, _, body = inspect.getsource(self._snippet(framework)).partition("():\n")
        return dedent(body).strip()

    def run(self, framework: str) -> Values:
        """What a framework's snippet gives today.

        Raises:
            InputError: it has none for that framework.
            FrameworkUnavailable: the framework cannot be loaded.
        """
        snippet = self._snippet(framework)
        frameworks.runtime(framework)  # loads the framework quietly, and with the right backend
        with warnings.catch_warnings():  # naive code makes frameworks warn; where that matters, it is among the values
            warnings.simplefilter("ignore")
            return snippet()

    def _snippet(self, framework: str) -> Callable[[], Values]:
        return self.snippets[choose("framework", framework, self.snippets)]

    def stale(self, framework: str, today: Values) -> str:
        """What to mend, if today's values are not those of the entry; empty if they are."""
        seen = self.seen[framework]
        changed = [
            f"{name} is {shown(today.get(name, 'missing'))}, and the entry says {shown(seen.get(name, 'nothing'))}"
            for name in dict.fromkeys([*seen, *today])
            if name not in today or name not in seen or not same(today[name], seen[name])
        ]
        if not changed:
            return ""
        topic, _, entry = self.name.partition(".")
        mend = f"Mend `{entry}` in parity/divergences/{topic}.py: what it saw, its verdict and its words"
        return f"{self.name}, {framework}: {'; '.join(changed)}. {mend}"


@dataclass(frozen=True)
class Trial:
    """One framework's snippet, run today.

    Attributes:
        name, framework: the entry and the framework.
        today: what the snippet gave.
        stale: what to mend, where that is not what the entry says.
        missing: why it could not run.
    """

    name: str
    framework: str
    today: Values
    stale: str = ""
    missing: str = ""

    @property
    def status(self) -> str:
        """As of a result: an entry that still says what is so has passed."""
        return SKIPPED if self.missing else FAILED if self.stale else PASSED


def try_out(divergence: Divergence, framework: str) -> Trial:
    """Run a framework's snippet and compare what it gives with the entry.

    Raises:
        InputError: no entry, or one without a snippet for that framework.
    """
    of_kind("divergence", divergence, Divergence, "one of parity.divergences.DIVERGENCES")
    choose("framework", framework, divergence.snippets)
    if missing := frameworks.missing(framework):
        return Trial(divergence.name, framework, {}, missing=missing)
    try:
        today = divergence.run(framework)
    except Exception as error:  # whatever it raises is news about the framework
        today = {"raised": first_lines(told(error))}
    return Trial(divergence.name, framework, today, stale=divergence.stale(framework, today))


def divergence(
    *,
    claim: str,
    verdict: str,
    seen: Mapping[str, Values],
    why: str,
    instead: str,
    sources: tuple[str, ...],
    operation: str = "",
) -> Callable[[type], Divergence]:
    """Turn a class of snippets, one function for each framework, into an entry named after it and its module."""

    def entry(snippets: type) -> Divergence:
        topic = snippets.__module__.rpartition(".")[2]
        by_framework = {
            framework: vars(snippets)[framework] for framework in frameworks.FRAMEWORKS if framework in vars(snippets)
        }
        return Divergence(
            f"{topic}.{snippets.__name__}", claim, verdict, by_framework, seen, why, instead, operation, sources
        )

    return entry


def same(today: Any, seen: Any) -> bool:
    """Equal to three digits; NaN equals NaN."""
    if isinstance(today, (list, tuple)) and isinstance(seen, (list, tuple)):
        return len(today) == len(seen) and all(map(same, today, seen))
    if isinstance(today, bool) or isinstance(seen, bool) or isinstance(today, str) or isinstance(seen, str):
        return type(today) is type(seen) and bool(today == seen)
    return math.isclose(today, seen, rel_tol=CLOSE, abs_tol=1e-9) or (math.isnan(today) and math.isnan(seen))


def shown(value: Any) -> str:
    """A value for a reader.

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
    """How a call fails, for a snippet whose point it is: the exception's name, and ``says`` if its message does.

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
