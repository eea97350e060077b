"""``parity faults``: plant mistakes that people make, and see which contracts catch them, and by what margin."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from parity import mutants as faults
from parity import report
from parity.checks.runner import Runner
from parity.cli.progress import signals, verdicts
from parity.cli.terminal import console as screen
from parity.cli.terminal import tell
from parity.report.entries import faults as entries
from parity.report.mutation import by_contract, caught_by

HELP = "plant mistakes that people make, and see which contracts catch them"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("name", nargs="*", help='only these, e.g. "rnn.lengths_short_by_one", or a topic, "rnn"')
    parser.add_argument("--list", action="store_true", help="say which there are, and plant none")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"whose report gets the result (default {report.FOLDER})"
    )
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


def run(options: argparse.Namespace) -> int:
    """Plant, print what caught each, add it to the report; returns 1 if one was not caught, 130 if interrupted.

    Raises:
        InputError: no such fault; the message names the nearest.
    """
    if options.list:
        screen(140).print(_contents(faults.plan(options.name)))
        return 0
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    runner = Runner(faults.plan(options.name), options.jobs)
    report.room_for_more(options.output)
    found, interrupted = verdicts(runner)
    planted = entries(outcome for outcomes in found.values() for outcome in outcomes)
    console = screen(140)
    console.print(_table(planted))
    console.print(_catchers(planted))
    missed = [fault for fault in planted if fault["status"] != faults.CAUGHT]
    for fault in missed:
        console.print(f"{fault['name']} {fault['status']}: {fault['reason']}", markup=False, soft_wrap=True)
    print(f"{len(planted) - len(missed)} of {len(planted)} planted faults caught")
    files = report.add(options.output, {"faults": planted}, runner.environment, seed=0)
    tell(files, lambda: report.read(options.output))
    if interrupted:
        return 130
    return int(len(planted) == len(missed) or any(fault["status"] != faults.MISSING for fault in missed))


def _contents(planned: Iterable[faults.Planted]) -> Table:
    table = Table("fault", "planted in", "what", box=None, pad_edge=False, header_style="dim")
    for one in planned:
        fault = faults.find(one.name)
        table.add_row(fault.name, f"{fault.operation}, {fault.subject}", Text(fault.what))
    return table


def _table(planted: list[dict[str, object]]) -> Table:
    table = Table("fault", "what", "caught by", box=None, pad_edge=False, header_style="dim")
    for fault in planted:
        style = "" if fault["status"] == faults.CAUGHT else "red"
        table.add_row(str(fault["name"]), Text(str(fault["what"])), Text(caught_by(fault)), style=style)
    return table


def _catchers(planted: list[dict[str, object]]) -> Table:
    table = Table("contract", "faults caught", "by it alone", box=None, pad_edge=False, header_style="dim")
    for row in by_contract(planted):
        table.add_row(*row)
    return table
