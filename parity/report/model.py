"""The report of a run: one definition of its types, its validation, its JSON and its JSON Schema.

Everything else beside report.json is a view of it. A result, a trial, a mutant, a curve and a sweep are defined where
they are made; this module puts them together.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from parity.checks.result import Count, Measure, Result, Status
from parity.checks.sweep import SweepReport
from parity.divergences.entry import DivergenceEntry
from parity.errors import InputError, printable, shown
from parity.mutants.run import MutantResult
from parity.pairs.verdict import AnyVerdict
from parity.report.markdown_text import shorten
from parity.throughput.results import Settings, Throughput
from parity.training.curve import Curve

SCHEMA = 1
WRITTEN = "a report.json written by parity"
MESSAGES = (  # of msgspec; what was received; what is expected
    ("Expected `(.+)`(.*), got ([0-9]+)", "{at} of length {2}", "{0}{1}"),
    ("Expected `(.+)`(.*), got `?(.+?)`?", "{at} {2}", "{0}{1}"),
    ("Expected `(.+)`(.*)", "{at} outside its limits", "{0}{1}"),
    ("Object missing required field `(.+)`", "no {inside}{0}", "{whole}"),
    ("Object contains unknown field `(.+)`", "{inside}{0}", "no such field"),
    ("Invalid enum value (.+)", "{at} {0}", "a value that this version knows"),
    (".+ out of range", "{at} out of range", "a smaller number"),
)


class Replayed(Struct, frozen=True):
    """The recording that checks were compared with, and where it was made."""

    framework: str
    folder: str
    python: str
    platform: str
    cpu: str
    cores: int | None
    versions: dict[str, str | None]
    frameworks: dict[str, Settings]
    date: str = ""


class Part(Struct, frozen=True):
    """The part of a selection that a run of one shard had, and what all shards must agree about.

    Attributes:
        number, count: of the shard, as in "2/5".
        selection: of all shards together, as a key that only the same selection has; empty where it is not known.
        planned: the checks of all shards together.
        full, device, tf32: the options of the run.
    """

    number: Annotated[int, Meta(ge=1, le=9999)]
    count: Annotated[int, Meta(ge=1, le=9999)]
    selection: str
    planned: Count
    full: bool
    device: str
    tf32: bool

    def __str__(self) -> str:
        return f"shard {self.number}/{self.count}"


class Environment(Struct, frozen=True, omit_defaults=True):
    """The machine, the versions and the settings of a run.

    Attributes:
        date: the day in UTC, as 2026-11-21.
        versions: package -> version, None where it is not installed.
        seed: of the sampled cases.
        frameworks: framework -> the settings that it reports: versions, device, threads, TF32, oneDNN.
        replayed: the recording that was compared with, if any.
        shard: the part of a selection that was run, if it was divided.
        run: of a run that has not ended, what its journal has too; empty in the report of one that has.
    """

    date: str
    python: str
    platform: str
    cpu: str
    cores: int | None
    versions: dict[str, str | None]
    seed: int
    frameworks: dict[str, Settings]
    replayed: Replayed | None = None
    shard: Part | None = None
    run: str = ""


class Worst(Struct, frozen=True):
    """The largest scores against the reference among what passed."""

    element: Measure
    norm: Measure


class Summary(Struct, frozen=True):
    """The counts of a run.

    Attributes:
        planned, checked: how many checks there were to do, and how many were done.
        interrupted: whether somebody stopped the run.
        seconds: how long it took.
        checks, results: how many of each have which status.
        compared: how many numbers were compared.
        worst: framework -> its largest scores.
    """

    planned: Count
    checked: Count
    interrupted: bool
    seconds: Annotated[float, Meta(ge=0)]
    checks: dict[Status, Count]
    results: dict[Status, Count]
    compared: Count
    worst: dict[str, Worst]


class Report(Struct, frozen=True, kw_only=True):
    """A report: everything that a run found.

    Attributes:
        own: what checked a model or a function of a user's, such as a test -> the verdict.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    environment: Environment
    summary: Summary
    own: dict[str, AnyVerdict] = {}
    results: tuple[Result, ...] = ()
    divergences: tuple[DivergenceEntry, ...] = ()
    training: tuple[Curve, ...] = ()
    mutants: tuple[MutantResult, ...] = ()
    sweep: SweepReport | None = None
    throughput: Throughput | None = None


def encode(report: Report) -> str:
    """Return a report as strict JSON, with a line for each result, so that two can be compared line by line."""
    rest = msgspec.json.format(encode_part(msgspec.structs.replace(report, results=())), indent=1).decode()
    before, _, after = rest.partition('"results": []')
    lines = ",\n".join(encode_part(result).decode() for result in report.results)
    return f'{before}"results": [\n{lines}\n]{after}\n'


def encode_part(part: Struct) -> bytes:
    """Encode a part as JSON; half of a surrogate pair, which is no text, becomes its escape."""
    try:
        return msgspec.json.encode(part)
    except UnicodeEncodeError:
        return msgspec.json.encode(all_printable(msgspec.to_builtins(part)))


def all_printable(value: Any) -> Any:
    """Make every text of a structure of dicts, lists and tuples printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(name): all_printable(item) for name, item in value.items()}
    return [all_printable(item) for item in value] if isinstance(value, list | tuple) else value


def decode(text: str | bytes, argument: str = "report") -> Report:
    """Return the report in a JSON text.

    Raises:
        InputError: it is no JSON, has another schema, or something in it is missing or wrong; the message says where.
    """
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.ValidationError as error:
        schema = _schema_of(text)
        if schema is not None and schema != SCHEMA:
            raise InputError(argument, f"schema {shown(schema)}", f"a report.json of schema {SCHEMA}") from None
        raise invalid(argument, str(error), WRITTEN) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(argument, f"no JSON ({error})", WRITTEN) from None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of report.json.

    >>> json_schema()["$ref"]
    '#/$defs/Report'
    """
    return msgspec.json.schema(Report)


def _schema_of(text: str | bytes) -> Any:
    class Versioned(Struct):
        schema: Any = None

    try:
        return msgspec.json.decode(text, type=Versioned).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def invalid(argument: str, message: str, whole: str, prefix: str = "") -> InputError:
    """Return an error with what msgspec found, and where: "Expected `int`, got `str` - at `$.results[0].seed`".

    Args:
        whole: what is expected where nothing more is known.
        prefix: the path to what msgspec was given.
    """
    problem, key, path = re.findall(r"^(.*?)(?: - at (`key` in )?`\$?([^`]*)`)?$", message, re.DOTALL)[0]
    path = f"{prefix}{path}".lstrip(".")
    at = f"{'a key of ' * bool(key)}{path or 'JSON'}"
    for pattern, received, expected in MESSAGES:
        if match := re.fullmatch(pattern, problem, re.DOTALL):
            places = {"at": at, "inside": f"{path}." if path else "", "whole": whole}
            got, wanted = (text.format(*match.groups(), **places) for text in (received, expected))
            return InputError(argument, shorten(got, 200), wanted)
    return InputError(argument, shorten(f"{at}: {problem}", 200), whole)
