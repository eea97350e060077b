"""``parity mutants``: plant mistakes that people make, and see which contracts kill them, and by what margin."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from parity import mutants, report
from parity.checks.runner import Runner
from parity.cli.progress import signals, verdicts
from parity.cli.terminal import console as screen
from parity.cli.terminal import tell
from parity.report.entries import mutants as entries
from parity.report.mutation import by_contract, killed_by

HELP = "plant mistakes that people make, and see which contracts kill them"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("name", nargs="*", help='only these, e.g. "rnn.lengths_short_by_one", or a topic, "rnn"')
    parser.add_argument("--list", action="store_true", help="say which there are, and plant none")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"whose report gets the result (default {report.FOLDER})"
    )
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


def run(options: argparse.Namespace) -> int:
    """Plant, print what killed each, add it to the report; returns 1 if one was not killed, 130 if interrupted.

    Raises:
        InputError: no such mutant; the message names the nearest.
    """
    if options.list:
        screen(140).print(_contents(mutants.plan(options.name)))
        return 0
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    runner = Runner(mutants.plan(options.name), options.jobs)
    report.room_for_more(options.output)
    found, interrupted = verdicts(runner)
    found_mutants = entries(outcome for outcomes in found.values() for outcome in outcomes)
    console = screen(140)
    console.print(_table(found_mutants))
    console.print(_killers(found_mutants))
    missed = [mutant for mutant in found_mutants if mutant["status"] != mutants.KILLED]
    for mutant in missed:
        console.print(f"{mutant['name']} {mutant['status']}: {mutant['reason']}", markup=False, soft_wrap=True)
    print(f"{len(found_mutants) - len(missed)} of {len(found_mutants)} mutants killed")
    files = report.add(options.output, {"mutants": found_mutants}, runner.environment, seed=0)
    tell(files, lambda: report.read(options.output))
    if interrupted:
        return 130
    return int(len(found_mutants) == len(missed) or any(mutant["status"] != mutants.MISSING for mutant in missed))


def _contents(planned: Iterable[mutants.MutantTask]) -> Table:
    table = Table("mutant", "in", "what", box=None, pad_edge=False, header_style="dim")
    for one in planned:
        mutant = mutants.find(one.name)
        table.add_row(mutant.name, f"{mutant.operation}, {mutant.subject}", Text(mutant.what))
    return table


def _table(found_mutants: list[dict[str, object]]) -> Table:
    table = Table("mutant", "what", "killed by", box=None, pad_edge=False, header_style="dim")
    for mutant in found_mutants:
        style = "" if mutant["status"] == mutants.KILLED else "red"
        table.add_row(str(mutant["name"]), Text(str(mutant["what"])), Text(killed_by(mutant)), style=style)
    return table


def _killers(found_mutants: list[dict[str, object]]) -> Table:
    table = Table("contract", "mutants killed", "by it alone", box=None, pad_edge=False, header_style="dim")
    for row in by_contract(found_mutants):
        table.add_row(*row)
    return table
