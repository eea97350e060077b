"""Run the mutants, and show which contracts kill each and by what margin: ``parity mutants``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from parity import frameworks, mutants, report
from parity.cli.options import add_jobs, add_output, add_require
from parity.cli.running import add_scheduler, runner_of
from parity.cli.streams import heed_interrupts
from parity.cli.terminal import announce, console, print_lines, run_tasks
from parity.errors import InputError
from parity.mutants import KILLED, MutantResult
from parity.mutants.run import NOT_RUN
from parity.report.formatting import plural, several
from parity.report.groups import group_by
from parity.report.summaries import MUTANT_HEADS, killed_by, kills_by_contract


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity mutants``."""
    parser.add_argument(
        "name", nargs="*", help='run only these, such as "rnn.lengths_short_by_one", or those of a topic, "rnn"'
    )
    parser.add_argument("--generated", type=int, metavar="N", help="run so many that operators generate, instead")
    parser.add_argument("--seed", type=int, default=0, help="sample the generated ones with this seed (default 0)")
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    add_output(parser, "add the result to the report in this folder")
    add_require(parser)
    add_jobs(parser)
    add_scheduler(parser)


def run(options: argparse.Namespace) -> int:
    """Run mutants, print what killed each, add them to the report."""
    if options.list:
        console(140).print(_contents(mutants.plan(options.name)))
        return 0
    if options.generated is not None:
        return _run_generated(options)
    runner = runner_of(mutants.plan(options.name), options)
    frameworks.require("require", options.require)
    claimed = report.claim_addable(options.output)
    results, interrupted = run_tasks(runner)
    tried = [mutant for results_of_task in results.values() for mutant in results_of_task]
    begun = report.build([], runner.environment, seed=0, seconds=0.0, planned=0, checked=0, mutants=tried)
    try:
        with claimed:
            files = report.add_to_report(options.output, begun, mutants=begun.mutants)
    finally:  # even if the report cannot be written
        heed_interrupts()
        _print(begun.mutants)
    announce(files, report.read(options.output))
    if interrupted:
        return 130
    none_killed = all(mutant.status != KILLED for mutant in tried)
    return int(none_killed or any(mutant.status not in (KILLED, NOT_RUN) for mutant in tried))


def _run_generated(options: argparse.Namespace) -> int:
    """Run generated mutants, print the share that is killed by kind, and those that survive with their change."""
    from parity.mutants.generating import GeneratedTask, generate

    if options.name:
        raise InputError("name", repr(options.name[0]), "none beside --generated")
    tasks = [GeneratedTask(mutant.name) for mutant in generate(options.generated, options.seed)]
    runner = runner_of(tasks, options)
    frameworks.require("require", options.require)
    results, interrupted = run_tasks(runner)
    heed_interrupts()
    tried = [one for found in results.values() for one in found if one.status != NOT_RUN]
    terminal = console(140)
    table = Table("kind", "mutants", "killed", box=None, pad_edge=False, header_style="dim")
    for kind, alike in sorted(group_by(tried, lambda one: one.mistake).items()):
        table.add_row(kind, str(len(alike)), str(sum(one.status == KILLED for one in alike)))
    terminal.print(table)
    survivors = [one for one in tried if one.status != KILLED]
    for one in survivors:
        lines = [f"- {line}" for line in one.before.split("\n")] + [f"+ {line}" for line in one.after.split("\n")]
        print_lines(terminal, f"{one.status}: {one.name} in {one.subject}, {one.operation}", *lines, "")
    print(f"{len(tried) - len(survivors)} of {plural(len(tried), 'generated mutant')} killed")
    return 130 if interrupted else int(bool(survivors) or not tried)


def _print(tried: Sequence[MutantResult]) -> None:
    terminal = console(140)
    terminal.print(_table(tried))
    terminal.print(_killers(tried))
    others = group_by(tried, lambda mutant: (mutant.status, mutant.reason))
    for (status, reason), alike in others.items():
        if status != KILLED:
            print_lines(terminal, f"{several(mutant.name for mutant in alike)} {status}: {reason}")
    run = [mutant for mutant in tried if mutant.status != NOT_RUN]
    killed, skipped = sum(mutant.status == KILLED for mutant in run), len(tried) - len(run)
    print(f"{killed} of {plural(len(run), 'mutant')} killed" + (f", {skipped} skipped" if skipped else ""))


def _contents(planned: Iterable[mutants.MutantTask]) -> Table:
    table = Table("mutant", "in", "mistake", box=None, pad_edge=False, header_style="dim")
    for task in planned:
        mutant = mutants.find(task.name)
        table.add_row(mutant.name, f"{mutant.operation}, {mutant.subject}", Text(mutant.mistake))
    return table


def _table(tried: Iterable[MutantResult]) -> Table:
    table = Table("mutant", "mistake", "killed by", box=None, pad_edge=False, header_style="dim")
    for mutant in tried:
        style = "" if mutant.status == KILLED else "red"
        table.add_row(mutant.name, Text(mutant.mistake), Text(killed_by(mutant)), style=style)
    return table


def _killers(tried: Sequence[MutantResult]) -> Table:
    table = Table(*MUTANT_HEADS, box=None, pad_edge=False, header_style="dim")
    for row in kills_by_contract(tried):
        table.add_row(*row)
    return table
