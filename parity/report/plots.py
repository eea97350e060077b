"""The parts of the page that are plots: training and throughput, each a section with its captions and numbers.

matplotlib is loaded when there is something to plot, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from parity.checks.result import FAILED, PASSED
from parity.report import crossover_plots, rate_plots, timing_tables, training_plots
from parity.report.formatting import percent, setting, several
from parity.report.speedups import fastest
from parity.report.svg import COLOURS, of_framework
from parity.report.templates import rendered
from parity.report.timings import BATCH, Row, grouped
from parity.training.verdict import CONTRACT

Record = Mapping[str, Any]


def training(curves: Sequence[Record], checks: Sequence[Record] = ()) -> Markup:
    """The section of training.

    Args:
        curves: the record's part.
        checks: the record's results: those of training say whether a run is within its limit.

    Returns:
        A ``<section>``; nothing where no model was trained.

    >>> training([])
    Markup('')
    """
    if not curves:
        return Markup("")
    held = _held(checks)
    runs = [_run(curve, svg, held) for curve, svg in zip(curves, training_plots.plotted(curves), strict=True)]
    models = [(*model, list(of_model)) for model, of_model in groupby(runs, key=lambda run: run["model"])]
    frameworks = dict.fromkeys(framework for curve in curves for framework in curve["frameworks"])
    rows = [row for curve in curves for row in _ends(curve)]
    return rendered("training", models=models, frameworks=frameworks, rows=rows, colours=COLOURS, role=of_framework)


def _held(checks: Sequence[Record]) -> dict[tuple[str, str, str], set[str]]:
    """Model, configuration and optimiser, and framework -> how the contract of training came out."""
    held: dict[tuple[str, str, str], set[str]] = {}
    for result in checks:
        if result["contract"] == CONTRACT:
            held.setdefault((result["operation"], result["case"], result["framework"]), set()).add(result["status"])
    return held


def _left(curve: Record, framework: str, held: Mapping[tuple[str, str, str], set[str]]) -> str:
    """Where a framework is above the noise floor, which alone is no failure: what counts is the limit."""
    statuses = held.get((curve["model"], f"{curve['config']}/{curve['optimiser']}", framework), set())
    limit = "; not within its limit" if FAILED in statuses else "; within its limit" if statuses == {PASSED} else ""
    return training_plots.leaves(curve, framework) + limit


def _run(curve: Record, svg: Markup | None, held: Mapping[tuple[str, str, str], set[str]]) -> dict[str, Any]:
    left = [
        (framework, _left(curve, framework, held))
        for framework in curve["frameworks"]
        if training_plots.outside(curve, framework)
    ]
    settings = setting(curve["settings"])
    model = (curve["model"], curve["config"])
    return {"model": model, "optimiser": curve["optimiser"], "settings": settings, "left": left, "svg": svg}


def _ends(curve: Record) -> list[list[str]]:
    """A row of the table for each framework."""
    return [
        [
            *(curve["model"], curve["optimiser"], framework, str(curve["steps"])),
            *map(_last, (of["loss"], curve["loss"], of["distance"], curve["envelope"])),
            training_plots.leaves(curve, framework),
        ]
        for framework, of in curve["frameworks"].items()
    ]


def _last(series: Sequence[float | None]) -> str:
    return timing_tables.number(training_plots.last(series))


def throughput(part: Record | None, environment: Record) -> Markup:
    """The section of throughput.

    Args:
        part: the record's part, or None where no benchmarks were added.
        environment: the record's: benchmarks of other versions are shown, and it is said.

    Returns:
        A ``<section>``; nothing without benchmarks.

    >>> throughput(None, {})
    Markup('')
    """
    if not part:
        return Markup("")
    rows, curves = part["rows"], part["curves"]
    return rendered(
        "throughput",
        measured=_measured(part),
        kernels=_kernels(rows),
        fastest=fastest(rows),
        differing=differing(part["versions"], environment["versions"]),
        batches=[_batch(group, svg) for group, svg in zip(grouped(rows, BATCH), rate_plots.rates(rows), strict=True)],
        heads=timing_tables.HEADS,
        rows=timing_tables.timed(rows),
        curves=[_curve(*plotted) for plotted in crossover_plots.speedups(curves)],
        points_heads=timing_tables.POINTS,
        points=timing_tables.points(curves),
        shares=rate_plots.shares(rows),
    )


def _measured(part: Record) -> str:
    machine = part["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items() if version)
    frameworks = "; ".join(f"{framework}: {setting(said)}" for framework, said in part["frameworks"].items())
    cores = "" if machine["cores"] is None else f", {machine['cores']} cores"
    here = (
        f"Measured on {part['date'][:10]} on {machine['cpu']}{cores}, {machine['system']}, Python {machine['python']}"
    )
    return ". ".join(filter(None, [here, versions or "Which versions it was is not told", frameworks])) + "."


def _kernels(rows: Sequence[Row]) -> str:
    """What did the work, for each framework."""
    frameworks = dict.fromkeys(row["framework"] for row in rows if row["kernels"])
    used = {
        framework: several(k for row in rows if row["framework"] == framework for k in row["kernels"] or ())
        for framework in frameworks
    }
    return " ".join(f"Kernels of {framework}: {kernels}." for framework, kernels in used.items())


def differing(timed: Mapping[str, str | None], checked: Mapping[str, str | None]) -> str:
    """A sentence where benchmarks and checks are of different versions; else nothing.

    >>> differing({"torch": "2.12.0", "numpy": "2.4"}, {"torch": "2.13.0", "numpy": "2.4"})
    'These are times of torch 2.12.0; the checks of this report ran with torch 2.13.0.'
    """
    names = [name for name, version in timed.items() if name in checked and checked[name] != version]
    then, now = (", ".join(f"{name} {of[name] or 'not installed'}" for name in names) for of in (timed, checked))
    return f"These are times of {then}; the checks of this report ran with {now}." if names else ""


def _batch(group: Sequence[Row], svg: Markup) -> dict[str, Any]:
    first = group[0]
    ideal = first["ideals"].get("by_flops")
    said = [
        f"B · T · D · H = {timing_tables.size(first)}",
        f"{percent(first['fill'])} real",
        "" if ideal is None else f"ideal {ideal:.3g}",
    ]
    name = f"{first['operation']} ({first['config']}), {first['distribution']} lengths"
    return {"name": name, "said": ", ".join(filter(None, said)), "svg": svg}


def _curve(curve: Record, framework: str, svg: Markup) -> dict[str, Any]:
    crossings = [
        f"{of['variant']}: {crossover_plots.crossing(of, curve)}"
        for of in curve["variants"]
        if of["framework"] == framework
    ]
    said = [f"{curve['phase']}, B · T · D · H = {timing_tables.size(curve)}", *crossings]
    return {"name": f"{framework}, {curve['operation']} over {curve['axis']}", "said": ". ".join(said), "svg": svg}
