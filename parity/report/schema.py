"""What report.json holds, for a reader in any language: `record.schema.json`. Records from files are held to it.

A new part goes into the ``properties`` of the file; into its ``required`` only together with a new schema number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from parity.errors import InputError, shown

WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
LIMITS = {"minimum": "at least {:g}", "maximum": "at most {:g}", "minItems": "{} items", "maxItems": "{} items"}


def check(record: object) -> None:
    """Hold a record to the schema.

    Raises:
        InputError: something is missing or wrong; the message says where, what is there, and what was expected.
    """
    _hold(record, "", "record", "a report")


def check_part(name: str, part: object, argument: str) -> None:
    """Hold one part of a record to its definition in the schema, before it becomes one.

    Args:
        name: of the definition.
        part: plain values.
        argument: where the user gave it.

    Raises:
        InputError: as `check`.
    """
    _hold(part, name, argument, f"a part {name}")


def _hold(came: object, definition: str, argument: str, whole: str) -> None:
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(definition)(came)
    except JsonSchemaValueException as wrong:
        place = str(wrong.name).removeprefix("data").removeprefix(".") or whole
        if wrong.rule == "required":
            missing = [name for name in wrong.definition["required"] if name not in wrong.value]
            raise InputError(argument, f"{place} without {', '.join(missing)}", "all fields of its schema") from None
        raise InputError(argument, f"{place} {shown(wrong.value)}", _expected(wrong.definition, wrong.rule)) from None


def _expected(part: dict[str, Any], rule: str | None) -> str:
    """What the schema allows in a place, and the limit that was broken there."""
    if "enum" in part:
        return f"one of: {', '.join(part['enum'])}"
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    limit = f", {LIMITS[rule].format(part[rule])}" if rule in LIMITS else ""
    return " or ".join(WORDS[kind] for kind in kinds) + limit


@cache
def schema() -> dict[str, Any]:
    """The schema, as plain data."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("record.schema.json").read_text(encoding="utf-8"))
    return found


@cache
def _validator(definition: str = "") -> Callable[[object], object]:
    import fastjsonschema  # compiles the schema: 20 000 results take 0.4 s, where jsonschema takes half a minute

    part = schema()["definitions"][definition] if definition else schema()
    validate: Callable[[object], object] = fastjsonschema.compile(_inlined(part))
    return validate


def _inlined(part: Any) -> Any:
    """A part of the schema with what it refers to in its place: as one function, it takes a fifth of the time."""
    if not isinstance(part, dict):
        return part
    rest = {name: _inlined(item) for name, item in part.items() if name not in ("definitions", "$ref")}
    if "$ref" not in part:
        return rest
    return _inlined(schema()["definitions"][part["$ref"].rpartition("/")[2]]) | rest
