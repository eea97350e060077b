"""``parity sweep``: random cases for many seeds: are there false alarms, and how are scores distributed?"""

from __future__ import annotations

import argparse

from rich.table import Table

from parity import report
from parity.checks import sweep
from parity.checks.runner import Runner
from parity.cli.progress import signals, verdicts
from parity.cli.terminal import console, tell

HELP = "try random cases for many seeds: false alarms, and how scores are distributed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    for name in ("operation", "dtype"):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only this {name}; may be repeated")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"whose report gets the result (default {report.FOLDER})"
    )
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


def run(options: argparse.Namespace) -> int:
    """Sweep, print what came of it, add it to the report; returns 1 if anything failed, 130 if interrupted."""
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    runner = Runner(sweep.plan(options.operation, options.dtype, options.seeds, options.seed), options.jobs)
    report.room_for_more(options.output)
    found, interrupted = verdicts(runner)
    came = sweep.summary((t for tallies in found.values() for t in tallies), options.seed, options.seeds)
    console(160).print(_table(came))
    for failure in came["failures"]:
        print(f"{failure['reason']}\n  again: {failure['reproduce']}")
    print(f"{came['failed']} of {came['checks']} checks failed")
    files = report.add(options.output, {"sweep": came}, runner.environment, options.seed)
    tell(files, lambda: report.read(options.output))
    return 130 if interrupted else int(came["failed"] > 0 or not came["checks"])


def _table(came: dict[str, object]) -> Table:
    percent = [f"{kind} {q:g} %" for kind in ("element", "norm") for q in sweep.QUANTILES]
    table = Table("operation", "framework", "dtype", "failed", "scores", *percent, box=None, header_style="dim")
    for row in came["rows"]:  # type: ignore[attr-defined]
        words = (row["operation"], row["framework"], row["dtype"], str(row["failed"] or "·"), str(row["scores"]))
        table.add_row(*words, *(f"{value:g}" for value in (*row["element"], *row["norm"])))
    return table
