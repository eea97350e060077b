"""Join the reports of the shards of one selection to the report of all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from parity.divergences import DIVERGENCES, DivergenceEntry
from parity.errors import InputError
from parity.report import verdicts
from parity.report.assembly import build
from parity.report.formatting import index, plural, setting
from parity.report.model import Environment, Part, Report
from parity.report.outcome import cut_short
from parity.report.storage import read_part

ARGUMENT = "DIR"


@dataclass(frozen=True)
class ShardReport:
    """The report of one shard, and its folder."""

    folder: str
    report: Report
    part: Part


@dataclass(frozen=True)
class Merged:
    """The report of all shards, and a sentence for everything that it lacks."""

    report: Report
    missing: tuple[str, ...]


def merge(folders: Iterable[str | Path]) -> Merged:
    """Join the reports of shards, in any order.

    Raises:
        InputError: there is no report of a shard in a folder, or it does not belong to those before it; the message
            names the folder and the difference.
    """
    shards = [_read(folder) for folder in folders]
    if not shards:
        raise InputError(ARGUMENT, "no folder", "those of the reports of shards")
    _check_that_they_agree(shards)
    shards.sort(key=lambda shard: shard.part.number)
    return Merged(_join(shards), tuple(_missing(shards)))


def _read(folder: str | Path) -> ShardReport:
    report, name = read_part(folder), repr(str(folder))
    if report.environment.shard is None:
        raise InputError(ARGUMENT, f"{name}, which has all of its run", "a report of parity check --shard or of pytest")
    if report.sweep or report.throughput:
        expected = "that of parity check --shard or of pytest as it was: add them to the merged report"
        raise InputError(ARGUMENT, f"{name}, to whose report a sweep or benchmarks were added", expected)
    return ShardReport(str(folder), report, report.environment.shard)


def _check_that_they_agree(shards: Sequence[ShardReport]) -> None:
    agreed: dict[str, tuple[str, str]] = {}  # name of a fact -> its text, and the first folder with it
    numbers: dict[int, str] = {}
    for shard in shards:
        for name, text in _facts(shard):
            expected, first = agreed.setdefault(name, (text, shard.folder))
            if text != expected:
                raise InputError(ARGUMENT, f"{shard.folder!r} with {text}", f"{expected}, as in {first!r}")
        if shard.part.number in numbers:
            first = numbers[shard.part.number]
            raise InputError(ARGUMENT, f"{shard.part} twice, in {first!r} and {shard.folder!r}", "each shard once")
        numbers[shard.part.number] = shard.folder


def _facts(shard: ShardReport) -> Iterator[tuple[str, str]]:
    """Yield what the reports of a selection must agree about: a name, and a text."""
    environment, part = shard.report.environment, shard.part
    for package, version in environment.versions.items():
        yield package, f"{package} {setting(version)}"
    yield "seed", f"seed {environment.seed}"
    yield "device", f"device {part.device}"
    yield "tf32", "TF32 allowed" if part.tf32 else "TF32 off"
    yield "full", "--full" if part.full else "no --full"
    yield "recording", _recording(environment)
    yield "count", plural(part.count, "shard")
    if part.selection:
        yield "selection", f"the selection {part.selection} of {plural(part.planned, 'check')}"
    for framework, settings in environment.frameworks.items():
        for name in ("device", "tf32"):
            if name in settings:
                yield f"{framework} {name}", f"{framework} {setting({name: settings[name]})}"


def _recording(environment: Environment) -> str:
    if environment.replayed is None:
        return "no recording"
    replayed = environment.replayed
    return f"a recording of {replayed.framework} ({setting(replayed.versions)}, {replayed.cpu}, {replayed.date})"


def _missing(shards: Sequence[ShardReport]) -> Iterator[str]:
    """Yield a sentence for each shard that is absent, or whose run has not done all that it had to do."""
    present = {shard.part.number for shard in shards}
    count = shards[0].part.count
    for number in range(1, count + 1):
        if number not in present:
            yield f"shard {number}/{count} is missing"
    for shard in shards:
        summary, environment = shard.report.summary, shard.report.environment
        if cut_short(shard.report) or environment.run:
            done = f"{summary.checked} of its {plural(summary.planned, 'check')}"
            yield f"{shard.part} is unfinished: {shard.folder!r} has {done}"
    if len(present) == count and (rest := _planned(shards) - sum(map(_planned_in, shards))) > 0:
        yield f"{plural(rest, 'check')} of the selection {'is' if rest == 1 else 'are'} in no shard"


def _planned(shards: Iterable[ShardReport]) -> int:
    return max(shard.part.planned for shard in shards)


def _planned_in(shard: ShardReport) -> int:
    return shard.report.summary.planned - _own_checks(shard)


def _own_checks(shard: ShardReport) -> int:
    return len(list(verdicts.each_check(shard.report.own)))


def _join(shards: Sequence[ShardReport]) -> Report:
    reports = [shard.report for shard in shards]
    environment = _join_environments([report.environment for report in reports])
    curves = {(curve.model, curve.optimiser): curve for report in reports for curve in report.training}
    built = build(
        [result for report in reports for result in report.results],
        environment.frameworks,
        seed=environment.seed,
        seconds=max(report.summary.seconds for report in reports),  # they ran at the same time
        planned=max(_planned(shards), sum(map(_planned_in, shards))),
        checked=sum(shard.report.summary.checked - _own_checks(shard) for shard in shards),
        interrupted=any(report.summary.interrupted for report in reports),
        divergences=_join_divergences(entry for report in reports for entry in report.divergences),
        training=curves.values(),
        mutants=[mutant for report in reports for mutant in report.mutants],
        own=verdicts.gather(report.own for report in reports),
    )
    return replace(built, environment=environment)


def _join_divergences(entries: Iterable[DivergenceEntry]) -> list[DivergenceEntry]:
    """Join the entries of each name, whose frameworks may be in several shards."""
    joined: dict[str, DivergenceEntry] = {}
    for entry in entries:
        trials = joined[entry.name].frameworks if entry.name in joined else {}
        joined[entry.name] = replace(entry, frameworks=dict(sorted((trials | entry.frameworks).items())))
    return sorted(joined.values(), key=lambda entry: index(DIVERGENCES, entry.name))


def _join_environments(environments: Sequence[Environment]) -> Environment:
    """Describe the machines of all shards; where they differ, one after the other."""
    first = environments[0]
    of_each = partial(_values, environments)
    frameworks: dict[str, dict[str, Any]] = {}
    for environment in environments:
        for name, settings in environment.frameworks.items():
            frameworks[name] = _join_settings(frameworks.get(name, {}), settings)
    return replace(
        first,
        date=max(of_each("date")),
        python=" and ".join(of_each("python")),
        platform=" and ".join(of_each("platform")),
        cpu=" and ".join(of_each("cpu")),
        cores=first.cores if len(of_each("cores")) == 1 else None,
        frameworks=dict(sorted(frameworks.items())),
        shard=None,
        run="",
    )


def _values(environments: Iterable[Environment], name: str) -> list[Any]:
    return list(dict.fromkeys(getattr(environment, name) for environment in environments))


def _join_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    differing = {name: f"{one[name]} and {other[name]}" for name in one if name in other and one[name] != other[name]}
    return {**one, **other, **differing}
