"""Register caches, so that a run of many tasks can empty all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Clear = Callable[[], object]

_CLEAR: list[Clear] = []


def cached(maxsize: int | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Cache a function's latest results, as `functools.lru_cache` does, until `clear_caches`.

    >>> @cached(maxsize=1)
    ... def fresh(name: str) -> list[str]:
    ...     return [name]
    >>> first = fresh("x")
    >>> fresh("x") is first
    True
    >>> clear_caches()
    >>> fresh("x") is first
    False
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        wrapped = lru_cache(maxsize)(function)
        on_clear(wrapped.cache_clear)
        return wrapped  # type: ignore[return-value]  # mypy's lru_cache takes any hashable arguments

    return decorate


def on_clear(clear: Clear) -> Clear:
    """Register a function that empties a cache; `clear_caches` calls it."""
    _CLEAR.append(clear)
    return clear


def clear_caches() -> None:
    """Empty every registered cache: sampled cases, references, observations and graphs."""
    for clear in _CLEAR:
        clear()
