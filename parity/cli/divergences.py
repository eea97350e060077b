"""``parity divergences``: the list of them, or one of them explained, with its code and today's values."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import track
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from parity.checks.result import FAILED
from parity.cli.terminal import console as screen
from parity.divergences import DIVERGENCES, Divergence, Snippet, Trial, snippets
from parity.divergences.entry import VERDICTS, shown

HELP = "list what the frameworks do differently, and what people believe"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument(
        "name", nargs="*", help='explain these, e.g. "loss.all_ignored", or a topic, "loss"; without one, list all'
    )
    parser.add_argument("--all", action="store_true", help="run all of them, and say which are stale")


def run(options: argparse.Namespace) -> int:
    """List or explain; returns 1 if an entry that was run is stale.

    Raises:
        InputError: no such entry; the message names the nearest.
    """
    console = screen(120)
    if not options.name and not options.all:
        console.print(_contents(DIVERGENCES.values()))
        return 0
    tried = _tried(snippets(options.name))
    if options.all:
        console.print(_results(tried))
    else:
        for name in dict.fromkeys(trial.name for trial in tried):
            console.print(_explained(DIVERGENCES[name], [trial for trial in tried if trial.name == name]))
    for trial in tried:
        if trial.stale:
            console.print(trial.stale, style="red", markup=False, soft_wrap=True)
    return int(any(trial.status == FAILED for trial in tried))


def _tried(chosen: list[Snippet]) -> list[Trial]:
    progress = track(chosen, "running", console=Console(stderr=True), transient=True)
    return [trial for snippet in progress for trial in snippet.run()]


def _contents(entries: Iterable[Divergence]) -> Table:
    table = Table("name", "verdict", "claim", box=None, pad_edge=False, header_style="dim")
    for entry in entries:
        table.add_row(entry.name, entry.verdict, Text(entry.claim))
    return table


def _results(tried: list[Trial]) -> Table:
    table = Table("name", "framework", "", "today", box=None, pad_edge=False, header_style="dim")
    for trial in tried:
        table.add_row(trial.name, trial.framework, trial.status, Text(trial.missing or _values(trial)))
    return table


def _explained(entry: Divergence, tried: list[Trial]) -> Group:
    head = Text.assemble((entry.name, "bold"), f"\n{entry.claim}\n", (entry.verdict, "bold"))
    head.append(f": {VERDICTS[entry.verdict]}")
    done = f" Done so in {entry.operation}." if entry.operation else ""
    tail = Text.assemble(("why      ", "dim"), entry.why, ("\ninstead  ", "dim"), entry.instead, done)
    sides = (_side(entry, trial) for trial in tried)
    return Group(head, *sides, tail, Text("\n".join(entry.sources), style="dim"), Text())


def _side(entry: Divergence, trial: Trial) -> Panel:
    code = Syntax(entry.code(trial.framework), "python", theme="ansi_dark", word_wrap=True)
    return Panel(Group(code, Text(f"\n{_seen(entry, trial)}")), title=trial.framework, title_align="left")


def _seen(entry: Divergence, trial: Trial) -> str:
    if trial.missing:
        return trial.missing
    written = ", ".join(f"{name} {shown(value)}" for name, value in entry.seen[trial.framework].items())
    return f"today    {_values(trial)}" + (f"\nwritten  {written}" if trial.stale else "")


def _values(trial: Trial) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in trial.today.items())
