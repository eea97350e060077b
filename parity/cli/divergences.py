"""List the divergences, or explain some with their code and today's values: ``parity divergences``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import track
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from parity import frameworks
from parity.checks.result import FAILED, SKIPPED
from parity.cli.options import add_require
from parity.cli.terminal import console, print_lines
from parity.divergences import DIVERGENCES, VERDICTS, Divergence, DivergenceEntry, Trial, find, plan, report_entries
from parity.divergences.entry import trial as trial_of
from parity.divergences.searching import Found, search
from parity.errors import printable


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity divergences``."""
    parser.add_argument(
        "name", nargs="*", help='explain these, such as "loss.all_ignored", or a topic, "loss"; without one, list all'
    )
    sought = "list those whose text has all words, or is the nearest"
    parser.add_argument("--search", nargs="+", default=[], metavar="WORD", help=sought)
    today = "run those that are explained, for the values of today"
    parser.add_argument("--run", action="store_true", dest="today", help=today)
    parser.add_argument("--all", action="store_true", help="run all of them, and show which are stale")
    add_require(parser)


def run(options: argparse.Namespace) -> int:
    """List or explain; return 1 if an entry is stale, or none of all was run."""
    frameworks.require("require", options.require)
    terminal = console(120)
    if not options.name and not options.all:
        return _list(terminal, options.search)
    tasks = plan(options.name)
    if options.today or options.all:
        shown = track(tasks, "running", console=Console(stderr=True), transient=True)
        trials = [trial for task in shown for trial in task.run()]
    else:
        trials = [trial_of(find(task.name), task.framework, SKIPPED) for task in tasks]
    if options.all:
        terminal.print(_results(trials))
    else:
        for entry in report_entries(trials):
            terminal.print(_explained(entry))
    stale = [trial.reason for trial in trials if trial.status == FAILED]
    print_lines(terminal, *dict.fromkeys(stale))
    if nothing := options.all and all(trial.status == SKIPPED for trial in trials):
        print("nothing was run, which is a failure")
    return int(bool(stale) or nothing)


def _list(terminal: Console, words: list[str]) -> int:
    """List the entries that have all words, and the nearest ones if these are few; return 1 if there is none."""
    found = search(words) if words else Found(tuple(DIVERGENCES.values()))
    if not (listed := found.complete + found.nearest):
        print_lines(terminal, "no entry has any of these words: try others, or a part of one")
        return 1
    if found.complete:
        terminal.print(_contents(found.complete))
    if found.nearest:
        print_lines(terminal, "The nearest, with some of the words:")
        terminal.print(_contents(found.nearest))
    print_lines(terminal, f"`parity divergences {listed[0].name}` shows the first: its code, what it gives, and why")
    return 0


def _contents(entries: Iterable[Divergence]) -> Table:
    table = Table("name", "verdict", "claim", box=None, pad_edge=False, header_style="dim")
    for entry in entries:
        table.add_row(entry.name, entry.verdict, Text(entry.claim))
    return table


def _results(trials: Iterable[Trial]) -> Table:
    table = Table("name", "framework", "", "observed", box=None, pad_edge=False, header_style="dim")
    for trial in trials:
        values = trial.reason if trial.status == SKIPPED else _values(trial.observed)
        table.add_row(trial.name, trial.framework, trial.status, Text(values))
    return table


def _explained(entry: DivergenceEntry) -> Group:
    head = Text.assemble((entry.name, "bold"), f"\n{entry.claim}\n", (entry.verdict, "bold"))
    head.append(f": {VERDICTS[entry.verdict]}")
    implemented = f" Implemented so in {entry.operation}." if entry.operation else ""
    tail = Text.assemble(("why      ", "dim"), entry.why, ("\ninstead  ", "dim"), entry.instead, implemented)
    return Group(
        head, *map(_panel, entry.frameworks.values()), tail, Text("\n".join(entry.sources), style="dim"), Text()
    )


def _panel(trial: Trial) -> Panel:
    code = Syntax(trial.code, "python", theme="ansi_dark", word_wrap=True)
    return Panel(Group(code, Text(f"\n{_comparison(trial)}")), title=trial.framework, title_align="left")


def _comparison(trial: Trial) -> str:
    if trial.status == SKIPPED:
        return trial.reason or f"gave {_values(trial.expected)}; --run shows the values of today"
    observed = f"observed {_values(trial.observed)}"
    return f"{observed}\nexpected {_values(trial.expected)}" if trial.status == FAILED else observed


def _values(values: Mapping[str, str]) -> str:
    return printable(", ".join(f"{name} {value}" for name, value in values.items()))
