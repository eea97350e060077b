"""Where the frameworks part, and what people believe about them: claims that run.

An entry is naive code for each framework, what it gave, and what to make of it. When it gives something else today,
the entry is stale and fails: a framework has changed, and that is news.
"""

from __future__ import annotations

from types import ModuleType

from parity.divergences import loss
from parity.divergences.entry import Divergence as Divergence
from parity.divergences.entry import Trial as Trial
from parity.divergences.entry import try_out as try_out
from parity.errors import choose

TOPICS: tuple[ModuleType, ...] = (loss,)
DIVERGENCES: dict[str, Divergence] = {
    entry.name: entry for topic in TOPICS for entry in vars(topic).values() if isinstance(entry, Divergence)
}


def find(name: str) -> Divergence:
    """The entry of that name.

    Raises:
        InputError: no such entry; the message names the nearest.
    """
    return DIVERGENCES[choose("divergence", name, DIVERGENCES)]
