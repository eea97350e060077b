"""The catalogue of divergences, and the tasks that try them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from parity.checks.costs import estimate
from parity.checks.result import FAILED
from parity.divergences import (
    alignment,
    attention,
    averages,
    bidirectional,
    cells,
    compilation,
    convolution,
    crf,
    decoder,
    defaults,
    documents,
    dropout,
    embedding,
    feedforward,
    generation,
    holes,
    lookup,
    loss,
    masking,
    metrics,
    normalisation,
    optimiser,
    packing,
    passing,
    pooling,
    positions,
    precision,
    rnn,
    statistics,
    strided,
)
from parity.divergences.entry import Divergence, DivergenceEntry, Trial, report_entry, trial, try_out
from parity.errors import choose, choose_all, names

TOPICS: tuple[ModuleType, ...] = (
    masking,
    passing,
    holes,
    embedding,
    lookup,
    positions,
    rnn,
    cells,
    packing,
    bidirectional,
    feedforward,
    attention,
    decoder,
    generation,
    dropout,
    documents,
    normalisation,
    statistics,
    convolution,
    strided,
    pooling,
    precision,
    loss,
    averages,
    metrics,
    alignment,
    crf,
    optimiser,
    defaults,
    compilation,
)
DIVERGENCES: dict[str, Divergence] = {
    entry.name: entry for topic in TOPICS for entry in vars(topic).values() if isinstance(entry, Divergence)
}


def find(name: str) -> Divergence:
    """Return the entry of that name.

    Raises:
        InputError: no such entry; the message names the nearest.
    """
    return DIVERGENCES[choose("divergence", name, DIVERGENCES)]


@dataclass(frozen=True)
class TrialTask:
    """One framework's code of one entry: a task whose result is a `Trial`."""

    name: str
    framework: str

    def __str__(self) -> str:
        return f"{self.name}-{self.framework}"

    @property
    def group_key(self) -> tuple[str, ...]:
        return "divergences", self.framework

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""
        return estimate("divergences", self.framework)

    def run(self) -> list[Trial]:
        """Try the entry."""
        return [try_out(find(self.name), self.framework)]

    def on_crash(self, reason: str) -> list[Trial]:
        """Trials to report if the worker process died."""
        return [trial(find(self.name), self.framework, FAILED, reason)]


def plan(entries: Iterable[str] = ()) -> list[TrialTask]:
    """List the trials of some entries, by name or topic; of all when none is named.

    Raises:
        InputError: an unknown entry; the message names the nearest.
    """
    chosen = choose_all("divergence", names("divergences", entries), DIVERGENCES) or list(DIVERGENCES)
    return [TrialTask(name, framework) for name in chosen for framework in DIVERGENCES[name].snippets]


def report_entries(trials: Iterable[Trial]) -> list[DivergenceEntry]:
    """Group trials by entry, in the order of the catalogue."""
    by_name: dict[str, list[Trial]] = {}
    for one in trials:
        by_name.setdefault(one.name, []).append(one)
    return [report_entry(DIVERGENCES[name], by_name[name]) for name in DIVERGENCES if name in by_name]
