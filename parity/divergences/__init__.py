"""Where the frameworks part, and what people believe about them: claims that run.

An entry is naive code for each framework, what it gave, and what to make of it. When it gives something else today,
the entry is stale and fails: a framework has changed, and that is news.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from parity.divergences import (
    alignment,
    attention,
    averages,
    bidirectional,
    compilation,
    convolution,
    defaults,
    embedding,
    feedforward,
    lookup,
    loss,
    masking,
    normalisation,
    optimiser,
    packing,
    pooling,
    precision,
    rnn,
)
from parity.divergences.entry import Divergence as Divergence
from parity.divergences.entry import Trial as Trial
from parity.divergences.entry import try_out as try_out
from parity.errors import choose, choose_all, names

TOPICS: tuple[ModuleType, ...] = (
    masking,
    embedding,
    lookup,
    rnn,
    packing,
    bidirectional,
    feedforward,
    attention,
    normalisation,
    convolution,
    pooling,
    precision,
    loss,
    averages,
    alignment,
    optimiser,
    defaults,
    compilation,
)
DIVERGENCES: dict[str, Divergence] = {
    entry.name: entry for topic in TOPICS for entry in vars(topic).values() if isinstance(entry, Divergence)
}


def find(name: str) -> Divergence:
    """The entry of that name.

    Raises:
        InputError: no such entry; the message names the nearest.
    """
    return DIVERGENCES[choose("divergence", name, DIVERGENCES)]


@dataclass(frozen=True)
class Snippet:
    """One framework's code of one entry: a task for a runner, whose verdict is a `Trial`."""

    name: str
    framework: str

    def __str__(self) -> str:
        return f"{self.name}-{self.framework}"

    @property
    def together(self) -> tuple[str, ...]:
        """All of a framework: they take no time, but loading the framework does."""
        return "divergences", self.framework

    @property
    def cost(self) -> int:
        """Little."""
        return 1

    def run(self) -> list[Trial]:
        """Its trial."""
        return [try_out(find(self.name), self.framework)]

    def lost(self, reason: str) -> list[Trial]:
        """The verdict if the process that should give it died."""
        return [Trial(self.name, self.framework, {}, stale=reason)]


def snippets(entries: Iterable[str] = ()) -> list[Snippet]:
    """The snippets of some entries, by name or topic; of all when none is named.

    Raises:
        InputError: an unknown entry; the message names the nearest.
    """
    chosen = choose_all("divergence", names("divergences", entries), DIVERGENCES) or DIVERGENCES
    return [Snippet(name, framework) for name in chosen for framework in DIVERGENCES[name].snippets]
