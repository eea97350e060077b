"""Assemble the sections of the page with plots: training and throughput, with captions and tables of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from parity.report.formatting import MEANINGS, SYMBOLS, setting, several
from parity.report.groups import group_by
from parity.report.model import Report
from parity.report.own import OwnView
from parity.report.plots import batch_maps, crossings, layer_differences, ranking, rates, tables, training_curves
from parity.report.plots.svg import drawn, role_of
from parity.report.speedups import fastest, is_disturbed, where_timed
from parity.report.templates import render
from parity.throughput.results import Throughput, TimedVariant


@drawn
def own(views: Sequence[OwnView]) -> Markup:
    """Return the section of a user's own models; nothing where there are none."""
    if not views:
        return Markup("")
    plotted = [
        (
            view,
            layer_differences.panels(view.pair, number) if view.pair is not None else [],
            batch_maps.panels(view, number),
        )
        for number, view in enumerate(views, 1)
    ]
    return render("own", views=plotted, symbols=SYMBOLS, meanings=MEANINGS)


@drawn
def training(report: Report) -> Markup:
    """Return the section of training; nothing where no model was trained."""
    if not report.training:
        return Markup("")
    runs = [(curve, framework) for curve in report.training for framework in curve.frameworks]
    return render(
        "training",
        models=training_curves.panels(report.training, report.results),
        frameworks={framework: role_of(framework) for _, framework in runs},
        heads=list(tables.ENDS),
        rows=[[cell(curve, framework) for cell in tables.ENDS.values()] for curve, framework in runs],
    )


@drawn
def throughput(report: Report) -> Markup:
    """Return the section of throughput; nothing where no benchmarks were added."""
    if report.throughput is None:
        return Markup("")
    rows, curves = report.throughput.rows, report.throughput.curves
    ranked = ranking.rankings(rows)
    return render(
        "throughput",
        measured=_measured(report.throughput),
        kernels=_kernels(rows),
        fastest=fastest(rows),
        where=where_timed(report.throughput),
        ranking_heads=ranking.HEADS,
        ranking=[row.cells for row in ranked],
        disturbed_rankings=[at for at, row in enumerate(ranked) if row.disturbed],
        disturbed_rows=[at for at, row in enumerate(rows) if is_disturbed(row)],
        other_versions=other_versions(report.throughput.versions, report.environment.versions),
        batches=rates.panels(rows),
        heads=list(tables.TIMED),
        rows=[[cell(row) for cell in tables.TIMED.values()] for row in rows],
        curves=crossings.panels(curves),
        points_heads=tables.POINTS,
        points=tables.points(curves),
        shares=rates.shares(rows),
    )


def _measured(throughput: Throughput) -> str:
    machine = throughput.machine
    cores = "" if machine.cores is None else f", {machine.cores} cores"
    sentences = [
        f"Measured on {throughput.date[:10]} on {machine.cpu}{cores}, {machine.system}, Python {machine.python}",
        ", ".join(f"{name} {version}" for name, version in throughput.versions.items() if version),
        "; ".join(f"{framework}: {setting(settings)}" for framework, settings in throughput.frameworks.items()),
    ]
    return ". ".join(filter(None, sentences)) + "."


def _kernels(rows: Sequence[TimedVariant]) -> str:
    sentences = []
    for framework, group in group_by((row for row in rows if row.kernels), lambda row: row.framework).items():
        names = several(name for row in group for name in row.kernels or ())
        sentences.append(f"Kernels of {framework}: {names}.")
    return " ".join(sentences)


def other_versions(timed: Mapping[str, str | None], checked: Mapping[str, str | None]) -> str:
    """Say that benchmarks and checks are of different versions; nothing where they are of the same.

    >>> other_versions({"torch": "2.12.0", "numpy": "2.4"}, {"torch": "2.13.0", "numpy": "2.4"})
    'These are times of torch 2.12.0; the checks of this report ran with torch 2.13.0.'
    """
    names = [name for name, version in timed.items() if name in checked and checked[name] != version]
    if not names:
        return ""
    of_times = ", ".join(f"{name} {timed[name] or 'not installed'}" for name in names)
    of_checks = ", ".join(f"{name} {checked[name] or 'not installed'}" for name in names)
    return f"These are times of {of_times}; the checks of this report ran with {of_checks}."
