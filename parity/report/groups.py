"""Results that say the same thing, together: one entry for forty repetitions, with the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parity.checks.result import FAILED, SKIPPED, XFAILED, severity
from parity.report.formatting import INFINITE, number, several

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Results of one kind, the worst first. Everything else is derived from them."""

    results: tuple[Found, ...]

    @property
    def worst(self) -> Found:
        return self.results[0]

    @property
    def subject(self) -> str:
        return f"{self.worst['framework']}.{self.worst['variant']}"

    @property
    def size(self) -> int:
        return len(self.results)

    @property
    def sentence(self) -> str:
        """What the worst one says of itself."""
        quantity, reason = self.worst["quantity"], self.worst["reason"]
        said = f"{quantity}: {reason}" if quantity else str(reason)
        return f"{said}; it {self.worst['first']}" if self.worst["first"] else said

    @property
    def why(self) -> str:
        return str(self.worst["reason"]).removeprefix("refused: ")

    @property
    def others(self) -> str:
        """How many more there are, and in what they differ from the worst; empty when it is alone."""
        spread = [self.all(name) for name in ("quantity", "case", "mode", "dtype")]
        return f"and {self.size - 1} more, in all: {'; '.join(filter(None, spread))}" if self.size > 1 else ""

    @property
    def where(self) -> str:
        """In which run the worst one was seen."""
        run = [self.worst["case"], self.worst["mode"], self.worst["dtype"], f"seed {self.worst['seed']}"]
        return ", ".join(filter(None, run))

    @property
    def measured(self) -> str:
        """The numbers of the worst one; empty when there were none."""
        worst = self.worst
        if worst["limit"] is None:
            return ""
        element = f"worst element {number(worst['score'])} (limit {worst['limit'] or 0:g})"
        norm = f"norm-wise {number(worst['norm_score'])} (limit {worst['norm_limit'] or 0:g})"
        error = worst["max_abs_error"]
        return f"{element}, {norm}, largest absolute error {INFINITE if error is None else f'{error:.3g}'}"

    def all(self, name: str) -> str:
        """The distinct values of a field."""
        return several(result[name] for result in self.results)


def failures(results: Iterable[Found]) -> list[Group]:
    """What failed, by operation, variant and contract; worst first."""
    groups = _grouped(results, FAILED, lambda f: (f["operation"], f["framework"], f["variant"], f["contract"]))
    return sorted(groups, key=lambda group: (severity(group.worst), group.size), reverse=True)


def expected_failures(results: Iterable[Found]) -> list[Group]:
    """What a variant is known to refuse, by operation, variant and reason."""
    return _grouped(results, XFAILED, lambda f: (f["operation"], f["framework"], f["variant"], f["reason"]))


def skips(results: Iterable[Found]) -> list[Group]:
    """What was not run, by reason; the commonest first."""
    groups = _grouped(results, SKIPPED, lambda f: f["reason"])
    return sorted(groups, key=lambda group: group.size, reverse=True)


def _grouped(results: Iterable[Found], status: str, key: Callable[[Found], Hashable]) -> list[Group]:
    groups: dict[Hashable, list[Found]] = {}
    for result in results:
        if result["status"] == status:
            groups.setdefault(key(result), []).append(result)
    return [Group(tuple(sorted(group, key=severity, reverse=True))) for group in groups.values()]
