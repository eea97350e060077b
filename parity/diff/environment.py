"""In what two runs differ before anything was computed: versions, machine, device, seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parity.report.formatting import setting

NOTHING = "\N{EN DASH}"


def surroundings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What is not the same in two environments, as name, then, now.

    >>> surroundings({"seed": 0, "cpu": "x"}, {"seed": 1, "cpu": "x", "frameworks": {"pytorch": {"threads": 2}}})
    [('seed', '0', '1'), ('pytorch threads', '–', '2')]
    """
    then, now = dict(_settings(old)), dict(_settings(new))
    names = dict.fromkeys([*now, *then])
    return [
        (name, then.get(name, NOTHING), now.get(name, NOTHING)) for name in names if then.get(name) != now.get(name)
    ]


def _settings(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting under its full name; a framework says its version again, which is left out."""
    versions = environment.get("versions", {})
    for name, value in environment.items():
        if name == "versions":
            yield from _flat(value)
        elif name == "frameworks":
            yield from _flat({framework: _without(said, versions) for framework, said in value.items()})
        else:
            yield from _flat({name: value})


def _without(settings: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def _flat(group: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in group.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} ")
        else:
            yield f"{above}{name}", setting(value)
