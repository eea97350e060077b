"""The record of a run, as report.json has it, and what it comes to. Every view of a report shows this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, PRECEDENCE, SKIPPED, STATUSES, XFAILED, finite
from parity.errors import InputError, shown
from parity.operations import OPERATIONS
from parity.report.environment import environment
from parity.report.environment import versions as versions
from parity.report.formatting import plural
from parity.report.ordering import index
from parity.report.schema import check
from parity.training import MODELS

SCHEMA = 4
NEW: dict[int, dict[str, Any]] = {  # schema -> the parts that came with it, empty
    2: {"divergences": [], "training": []},
    3: {"mutants": [], "sweep": None},
    4: {"throughput": None},
}
ELEMENT, NORM = 0, 1  # of the two scores of each quantity
CHECK = ("operation", "framework", "variant", "dtype", "contract", "seed")  # what results of one check have in common
ONE = (*CHECK, "reproduce")  # and of one run of it: a model is trained with several optimisers, each by its own command


def record(
    results: Iterable[dict[str, Any]],
    frameworks: dict[str, dict[str, Any]],
    *,
    seed: int,
    seconds: float,
    planned: int,
    checked: int,
    interrupted: bool = False,
    divergences: Sequence[Mapping[str, Any]] = (),
    training: Sequence[Mapping[str, Any]] = (),
    mutants: Sequence[Mapping[str, Any]] = (),
    sweep: Mapping[str, Any] | None = None,
    throughput: Mapping[str, Any] | None = None,
    replayed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that a report says, as plain data.

    A check is one variant held to one contract in one dtype; it gives a result for each of its cases and modes, and
    one more for each further quantity that failed. The summary counts both.

    Args:
        results: as `Result.as_dict` gives them, in any order; the record has that of the operations table.
        frameworks: framework -> versions, device and settings of the frameworks that were loaded.
        seed: of the plotted cases.
        seconds: how long the run took.
        planned, checked: how many checks there were to do, and how many were done.
        interrupted: whether somebody stopped the run.
        divergences: from `parity.report.entries.entries`.
        training: curves, from `parity.training`.
        mutants: from `parity.report.entries.mutants`.
        sweep: from `parity.checks.sweep.summary`.
        throughput: from `parity.report.throughput.throughput`.
        replayed: where the record was made that was compared with, if any:
        `parity.frameworks.recording.Recording.environment`.

    Returns:
        A dict with ``schema``, ``environment``, ``summary``, ``checks``, ``divergences``, ``training``, ``mutants``,
        ``sweep`` and ``throughput``; see ``record.schema.json``.
    """
    checks = sorted(results, key=_place)
    summary = {
        "planned": planned,
        "checked": checked,
        "interrupted": interrupted,
        "seconds": round(seconds, 2),
        "checks": _count(_status_of_each_check(checks).values()),
        "results": _count(result["status"] for result in checks),
        "compared": _compared(checks),
        "worst": _worst(checks),
    }
    return {
        "schema": SCHEMA,
        "environment": finite(environment(frameworks, seed, replayed)),
        "summary": summary,
        "checks": checks,
        "divergences": list(divergences),
        "training": sorted(training, key=lambda curve: (index(MODELS, curve["model"]), curve["optimiser"])),
        "mutants": list(mutants),
        "sweep": sweep,
        "throughput": throughput,
    }


def _place(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a result stands, so that runs with any number of processes give the same record."""
    row = OPERATIONS.get(result["operation"])
    variants = row.variants.get(result["framework"], ()) if row else ()
    return (
        index(OPERATIONS, result["operation"]),
        result["dtype"],
        result["framework"],
        index(variants, result["variant"]),
        result["variant"],
        index(CONTRACTS, result["contract"]),
        result["reproduce"],  # one model is trained with several optimisers
    )


def _count(statuses: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(STATUSES, 0) | Counter(statuses)


def _status_of_each_check(results: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], str]:
    """A failure anywhere fails the check; a expected failure of some cases leaves it passed on the others."""
    statuses: dict[tuple[Any, ...], str] = {}
    for result in results:
        check = tuple(result[name] for name in ONE)
        statuses[check] = min(statuses.get(check, SKIPPED), result["status"], key=PRECEDENCE.index)
    return statuses


def _compared(results: Iterable[dict[str, Any]]) -> int:
    """How many numbers were compared. The results of one run all carry its total, so it counts once."""
    runs = {(*(result[name] for name in (*ONE, "mode", "case")), result["compared"]) for result in results}
    return sum(run[-1] for run in runs)


def _worst(results: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """For each framework, the largest elementwise and norm-wise score against the reference, among what passed."""
    worst: dict[str, dict[str, float]] = {}
    for result in results:
        if result["status"] == PASSED and result["contract"] == "matches_reference":
            so_far = worst.setdefault(result["framework"], {"score": 0.0, "norm_score": 0.0})
            so_far["score"] = max(so_far["score"], largest(result, ELEMENT)[1])
            so_far["norm_score"] = max(so_far["norm_score"], largest(result, NORM)[1])
    return worst


def largest(result: Mapping[str, Any], kind: int) -> tuple[str, float]:
    """The quantity with the largest score of a kind, `ELEMENT` or `NORM`, and that score.

    It need not be the quantity that the result is about: that one is nearest to either limit.
    """
    scores = {name: both[kind] for name, both in (result["scores"] or {}).items() if both[kind] is not None}
    return max(scores.items(), key=lambda item: item[1], default=(result["quantity"], 0.0))


def verdict(record: Mapping[str, Any]) -> str:
    """What a record comes to, in one sentence without a full stop."""
    summary = record["summary"]
    planned, checked = summary["planned"], summary["checked"]
    if not cut_short(record):
        return _outcome(record, f"of {_checks(checked)}")
    stopped = "interrupted" if summary["interrupted"] else "stopped"
    return f"{stopped} after {checked} of {_checks(planned)}: {_outcome(record, 'of them')}"


def _outcome(record: Mapping[str, Any], of_all: str) -> str:
    checks = record["summary"]["checks"]
    told = [*_of_divergences(record), *_of_mutants(record), *_of_sweep(record)]
    if checks[FAILED]:
        return "; ".join([f"{checks[FAILED]} {of_all} failed", *told])
    if _compared_nothing(record):
        others = f"{checks[XFAILED]} expected failures, {checks[SKIPPED]} skipped"
        return "; ".join([f"nothing was compared, which is a failure ({others})", *told])
    skipped = f", {checks[SKIPPED]} skipped" if checks[SKIPPED] else ""
    agree = f"{_checks(checks[PASSED])} {'agrees' if checks[PASSED] == 1 else 'agree'}{skipped}"
    return "; ".join([agree, *told] if record["summary"]["planned"] else told)


def _of_divergences(record: Mapping[str, Any]) -> list[str]:
    """What there is to say of divergences: which are stale, if any are."""
    stale, all_of_them = len(stale_entries(record)), len(record["divergences"])
    if not all_of_them:
        return []
    number, how = (stale, "not as described") if stale else (all_of_them, "as described")
    return [f"{number} {'divergence is' if number == 1 else 'divergences are'} {how}"]


def _of_mutants(record: Mapping[str, Any]) -> list[str]:
    tried = [mutant for mutant in record["mutants"] if mutant["status"] != SKIPPED]
    if not tried:
        return []
    survived, all_mutants = len(survivors(record)), plural(len(tried), "mutant")
    return [f"{survived} of {all_mutants} not killed" if survived else f"{all_mutants} killed"]


def _of_sweep(record: Mapping[str, Any]) -> list[str]:
    sweep = record["sweep"]
    if not sweep:
        return []
    alarms = sweep["failed"]
    return [f"{alarms or 'no'} false {'alarm' if alarms == 1 else 'alarms'} in {sweep['checks']} random checks"]


def survivors(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The mutants that were not killed as they should be."""
    return [mutant for mutant in record["mutants"] if mutant["status"] not in ("killed", SKIPPED)]


def stale_entries(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The divergences of which some framework gives other values than the entry says."""
    return [
        entry
        for entry in record["divergences"]
        if any(tried["status"] == FAILED for tried in entry["frameworks"].values())
    ]


def _checks(number: int) -> str:
    return f"{number} check" if number == 1 else f"{number} checks"


def failed(record: Mapping[str, Any]) -> bool:
    """Whether the run must not count as a success: something failed, nothing was compared, or it is not complete."""
    failures = record["summary"]["checks"][FAILED] or stale_entries(record) or survivors(record)
    return (
        bool(failures or (record["sweep"] and record["sweep"]["failed"]))
        or _compared_nothing(record)
        or cut_short(record)
    )


def _compared_nothing(record: Mapping[str, Any]) -> bool:
    summary = record["summary"]
    if summary["planned"]:
        return not summary["checks"][PASSED] or not summary["compared"]
    frameworks = (tried for entry in record["divergences"] for tried in entry["frameworks"].values())
    tried = any(one["status"] != SKIPPED for one in (*frameworks, *record["mutants"]))
    return not tried and not (record["sweep"] and record["sweep"]["checks"])  # no checks were asked for


def cut_short(record: Mapping[str, Any]) -> bool:
    """Whether fewer checks were done than there were to do."""
    summary = record["summary"]
    return bool(summary["interrupted"]) or summary["checked"] < summary["planned"]


def current(record: Any) -> dict[str, Any]:
    """A record read from a file, as this version would have written it, or what is wrong with it.

    Raises:
        InputError: it has a schema that is not understood, or something is missing or wrong; the message says what.
    """
    schema = record.get("schema") if isinstance(record, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise InputError("record", f"schema {shown(schema)}", f"a report.json of schema {SCHEMA}, or an earlier one")
    lacking = {part: empty for since, parts in NEW.items() if since > schema for part, empty in parts.items()}
    whole: dict[str, Any] = lacking | record | {"schema": SCHEMA}
    check(whole)
    return whole
