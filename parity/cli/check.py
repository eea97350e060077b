"""``parity check``: hold every variant of every operation to its contracts, and write a report."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from parity import frameworks, report, training
from parity.checks.check import Check, covered, plan
from parity.checks.result import PASSED, how_near, sentence, share
from parity.checks.runner import Runner, Task
from parity.cli import matrix
from parity.cli.progress import signals, verdicts
from parity.cli.terminal import console as screen
from parity.cli.terminal import files_of, warn
from parity.divergences import Snippet, snippets
from parity.errors import FrameworkUnavailable, NotWritten, printable
from parity.frameworks.recording import verified
from parity.report import github
from parity.report.groups import Group, failures, skips
from parity.report.journal import Keeper

HELP = "hold every variant of every operation to its contracts, write a report"
CHECKED = (Check, training.Training)  # the tasks whose verdict is a list of results
SHOWN = 3  # failures, or what came nearest to one; the report has them all


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument(
        "--operation", action="append", default=[], help='only this operation, or topic, "rnn"; may be repeated'
    )
    for name in ("framework", "variant", "dtype", "contract"):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only this {name}; may be repeated")
    parser.add_argument("--config", action=Once, default="", help="only this configuration of its operation")
    parser.add_argument(
        "--lengths",
        action=Once,
        default="",
        help='only this lengths of batch; or one written out, "3,0,1:5": lengths, T',
    )
    parser.add_argument("--mode", action=Once, default="", help="only this mode: eager, graph, xla or compiled")
    parser.add_argument("--full", action="store_true", help="also what takes long: compiled modes, narrow dtypes")
    parser.add_argument("--device", default="cpu", help="auto, cpu (default) or cuda: for frameworks that see one")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled cases (default 0)")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"where the report goes (default {report.FOLDER})"
    )
    parser.add_argument("--replay", metavar="DIR", help="compare with what parity record wrote there, too")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


class Once(argparse.Action):
    """An option that says one thing, and must not say another."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _: str | None = None
    ) -> None:
        """Take a value that is not empty, if none was taken."""
        if not values or getattr(namespace, self.dest):
            parser.error(f"{self.option_strings[0]} takes one value, and no other with it")
        setattr(namespace, self.dest, values)


def run(options: argparse.Namespace) -> int:
    """Run, write the report, print the summary; returns 1 if something failed, 130 if somebody interrupted."""
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    selection, seed = (
        (options.operation, options.framework, options.variant, options.dtype, options.contract),
        options.seed,
    )
    cases = {name: getattr(options, name) for name in ("config", "lengths", "mode")}
    device = frameworks.DeviceSettings(options.device, options.tf32)
    earlier = verified(options.replay) if options.replay else None
    checks = plan(*selection, seed, options.full, **cases, device=device, recording=earlier)
    covered(checks, earlier)
    selected = any([*selection, *cases.values()])
    others: list[Task] = [] if selected else [*snippets(), *training.plan(seed=seed), *training.curves(seed=seed)]
    runner = Runner([*checks, *others], options.jobs, device=device)
    report.writable(options.output)
    for framework in dict.fromkeys(
        options.framework
    ):  # a framework that was asked for and does not load is a failure, not a skip
        if reason := frameworks.missing(framework):
            raise FrameworkUnavailable(reason)
    planned = sum(isinstance(task, CHECKED) for task in runner.tasks)
    keeper = Keeper(options.output, seed=seed, planned=planned, replayed=earlier.environment if earlier else None)
    keeper.begin()
    came, interrupted = verdicts(runner, keeper)
    trials = [trial for task, tried in came.items() if isinstance(task, Snippet) for trial in tried]
    record = keeper.record(interrupted)
    files, failure = _written(record, options.output)
    console = screen()
    matrix.show(record["checks"], console)
    groups = failures(record["checks"])
    _print_failures(groups, console)
    if not groups:
        _print_nearest(record["checks"], console)
    for trial in trials:
        if trial.stale:
            console.print(f"{trial.stale}\n", markup=False, highlight=False, soft_wrap=True)
    if earlier:
        print(f"compared with {earlier}")
    for group in skips(record["checks"]):
        _say(console, f"skipped: {group.all('framework')}: {group.why}")
    print(f"{report.verdict(record)}; {len(record['checks'])} results in {record['summary']['seconds']:.0f} s")
    if not failure:
        print("\n".join(files_of(files)))
    github.tell(record, say=print, warn=warn)
    if failure:
        raise failure  # now that everything is told
    return 130 if interrupted else int(report.failed(record))


def _written(record: Mapping[str, Any], folder: str) -> tuple[list[Path], NotWritten | None]:
    """The files of the report, or why there are none."""
    try:
        return report.write(record, folder), None
    except NotWritten as error:
        return [], error


def _print_failures(groups: Sequence[Group], console: Console) -> None:
    """The worst failures in plain words, with what shows them again."""
    for group in groups[:SHOWN]:
        lines = [
            sentence(group.worst),
            f"  again: {group.worst['reproduce']}",
            f"  {group.others}" if group.others else "",
        ]
        _say(console, *filter(None, lines), "")
    if len(groups) > SHOWN:
        _say(console, f"and {len(groups) - SHOWN} more, of other variants or contracts: see the report", "")


def _print_nearest(results: Sequence[Mapping[str, Any]], console: Console) -> None:
    """What holds and came nearest to its limit, in plain words."""
    nearest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for result in sorted(results, key=share, reverse=True):
        if result["status"] == PASSED and share(result):
            nearest.setdefault((result["operation"], result["framework"]), result)
    if nearest:
        _say(console, "Nearest to a limit:", *(f"  {how_near(one)}" for one in list(nearest.values())[:SHOWN]), "")


def _say(console: Console, *lines: str) -> None:
    """Lines as they are, which a terminal breaks and a file does not."""
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
