"""Format numbers, counts, lists and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ABSENT = "absent"  # the status of a cell without results
SYMBOLS = {"passed": "✓", "failed": "✗", "xfailed": "◆", "skipped": "○", ABSENT: "\N{EN DASH}"}
MEANINGS = {
    "passed": "holds",
    "failed": "does not hold",
    "xfailed": "expected failure",
    "skipped": "skipped",
    ABSENT: "not promised, or not run",
}


def number(value: float | None) -> str:
    """Format a score or an error; None is infinite: the floor is 0 and the error is not, or there are no numbers.

    >>> [number(value) for value in (0.0, 0.004, 3.14159, 17.2, 12345.0, None)]
    ['0', '<0.1', '3.1', '17', '1.2e+04', '∞']
    """
    if value is None:
        return "∞"
    if value == 0:
        return "0"
    if value < 0.1:
        return "<0.1"
    if value < 9.95:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 1000 else f"{value:.1e}"


def amount(value: int) -> str:
    """Format a count with a space between thousands.

    >>> amount(1234567)
    '1 234 567'
    """
    return f"{value:,}".replace(",", " ")


def plural(count: int, name: str) -> str:
    """Format a count of things.

    >>> plural(1, "check"), plural(2000, "check")
    ('1 check', '2 000 checks')
    """
    return f"{amount(count)} {name}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Format a fraction as a percentage.

    >>> percent(0.275)
    '28 %'
    """
    return f"{share:.0%}".replace("%", " %")


def several(names: Iterable[str], shown: int = 6) -> str:
    """List distinct names in their order; count those beyond the first few.

    >>> several(["y", "h", "y"]), several("abcdefgh", shown=3)
    ('y, h', 'a, b, c and 5 more')
    """
    distinct = list(dict.fromkeys(filter(None, names)))
    more = f" and {len(distinct) - shown} more" if len(distinct) > shown else ""
    return ", ".join(distinct[:shown]) + more


def setting(value: Any) -> str:
    """Format a setting of an environment.

    >>> setting({"device": "cpu", "tf32": {"matmul": False, "cudnn": True}}), setting(None)
    ('device cpu, tf32 (matmul off, cudnn on)', 'not installed')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_nested(item)}" for name, item in value.items())
    if value is None:
        return "not installed"
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _nested(value: Any) -> str:
    return f"({setting(value)})" if isinstance(value, Mapping) else setting(value)


def index(order: Iterable[str], name: str) -> int:
    """Return the position of a name in an order; unknown names come last."""
    positions = list(order)
    return positions.index(name) if name in positions else len(positions)
