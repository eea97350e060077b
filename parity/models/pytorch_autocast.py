"""Leave out the autocast of a module of PyTorch, which rounds to less than the dtype of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.amp.autocast_mode import autocast


@contextmanager
def without_autocast() -> Iterator[list[autocast]]:
    """Let nothing enter autocast until the context ends; yield a list that is filled with what tried to."""
    enter, leave = autocast.__enter__, autocast.__exit__
    tried: list[autocast] = []

    def entered(self: autocast) -> object:
        if not self._enabled:
            return enter(self)
        tried.append(self)
        return self

    def left(self: autocast, *raised: object) -> object:
        return leave(self, *raised) if not self._enabled else None

    autocast.__enter__, autocast.__exit__ = entered, left
    try:
        yield tried
    finally:
        autocast.__enter__, autocast.__exit__ = enter, leave
