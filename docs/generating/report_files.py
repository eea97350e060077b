"""Generate the reference of report.json from the types that validate it."""

from __future__ import annotations

from typing import Any

from docs.generating.markdown import code, escaped, table
from parity.report.model import json_schema

Schema = dict[str, Any]


def report_types() -> str:
    """Return a section for each type of report.json: its purpose and its fields."""
    types = json_schema()["$defs"]
    first = ["Report", *sorted(name for name in types if name != "Report")]
    return "\n".join(_section(name, types[name]) for name in first if "properties" in types[name])


def _section(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    fields = (
        [code(field), _type(one), "" if field in required else "may be missing"]
        for field, one in schema["properties"].items()
    )
    summary = schema.get("description", "").partition("\n\n")[0].replace("\n", " ")
    return f"### {name}\n\n{escaped(summary)}\n\n{table(['field', 'type', ''], fields)}"


def _type(schema: Schema) -> str:
    """Describe the type of a field in words; types of the report are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if "prefixItems" in schema:
        return f"list of {', '.join(map(_type, schema['prefixItems']))}"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return escaped(str(schema.get("type", "any")))
