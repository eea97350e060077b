"""Check every variant of every operation against its contracts, and write a report: ``parity check``."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from parity import frameworks, report
from parity.checks.result import FAILED, PASSED, Result
from parity.checks.sentences import nearest, sentence
from parity.cli.durations import add_durations, durations, lines, slowest
from parity.cli.matrix import print_matrix
from parity.cli.options import (
    REPEATED,
    add_device,
    add_jobs,
    add_require,
    add_seed,
    add_selection,
    is_selection,
    plan_tasks,
)
from parity.cli.running import add_scheduler, runner_of
from parity.cli.shards import add_shard, count_checks, shard_of
from parity.cli.streams import heed_interrupts
from parity.cli.terminal import announce, announce_estimate, console, print_lines, run_tasks
from parity.errors import FrameworkUnavailable
from parity.files import replace_files, writable
from parity.frameworks import COMPILED, EXPORTED, MODES
from parity.frameworks.recording import Recording, apart, verified
from parity.report import FOLDER, Report
from parity.report.formatting import plural
from parity.report.groups import Group, failures, skips
from parity.report.journal import Journal
from parity.report.model import encode
from parity.report.outcome import stale_entries

SELECTED = "parity-selection"  # so that a part of the checks, such as one that failed, leaves the whole report alone
STDOUT = "-"
SHOWN = 3  # failures, or results nearest to a limit; the report has all


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity check``."""
    parser.add_argument("name", nargs="*", help='check these, such as "rnn.lstm", or a topic, "rnn"; without one, all')
    add_selection(parser, *REPEATED)
    cases = parser.add_argument_group("cases", "Each may be given once.")
    cases.add_argument("--config", default="", help="select only this configuration of the operation")
    cases.add_argument(
        "--lengths",
        default="",
        help='select only these lengths, by name or written out: "3,0,1:5" is three sequences padded to 5 steps',
    )
    modes = ", ".join(
        dict.fromkeys(name for of in (MODES, COMPILED, EXPORTED) for names in of.values() for name in names)
    )
    cases.add_argument("--mode", default="", help=f"select only this mode: {modes}")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="try one case of most operations' first variants only")
    amount.add_argument("--full", action="store_true", help="add what takes long: compiled modes and narrow dtypes")
    parser.add_argument("--replay", metavar="DIR", help="compare with the recording in this folder too")
    add_seed(parser)
    add_require(parser)
    add_device(parser)
    add_jobs(parser)
    add_scheduler(parser)
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first failure")
    add_result(parser)
    add_shard(parser)
    add_durations(parser)


def add_result(parser: argparse.ArgumentParser) -> None:
    """Add the options of the report and of the summary."""
    group = parser.add_argument_group("result")
    where = f"write the report to this folder (default {FOLDER}, or {SELECTED} for a part of the checks)"
    group.add_argument("--output", metavar="DIR", help=where)
    group.add_argument("--json", metavar="FILE", help="write report.json to this file too; - for stdout")
    group.add_argument("--open", action="store_true", help="open the report in a browser")
    group.add_argument("-q", "--quiet", action="store_true", help="print failures and the verdict only")


def run(options: argparse.Namespace) -> int:
    """Run the checks, write the report, print a summary."""
    options.operation = [*options.name, *options.operation]
    if options.output is None:
        options.output = SELECTED if options.quick or is_selection(options) else FOLDER
    device = frameworks.DeviceSettings(options.device, options.tf32)
    recording = None if options.replay is None else verified(options.replay)
    apart(recording, options.output)
    if options.json not in (None, STDOUT):
        report.check_writable(Path(options.json).parent, "json")
    slowest([], options.durations or 0)
    tasks, shard = shard_of(options, plan_tasks(options, device, recording), device)
    runner = runner_of(tasks, options, device)
    frameworks.require("require", options.require)
    claimed = report.claim(options.output)
    for framework in options.framework:
        if reason := frameworks.missing(framework):
            raise FrameworkUnavailable(reason)
    planned = count_checks(runner.tasks)
    replayed = report.describe_recording(recording) if recording else None
    journal = Journal(options.output, seed=options.seed, planned=planned, replayed=replayed, shard=shard)
    with claimed:
        journal.begin()
        announce_estimate(runner)
        _, interrupted = run_tasks(runner, journal, options.exitfirst)
        finished = journal.report(interrupted)
        _finish(finished, journal, recording, options)
        if options.durations is not None:
            print("", *lines(slowest(durations(runner.seconds), options.durations)), sep="\n")
    return 130 if interrupted else int(report.failed(finished))


def _finish(finished: Report, journal: Journal, recording: Recording | None, options: argparse.Namespace) -> None:
    """Write a report and print its summary, which a report that cannot be written must not prevent."""
    files: Iterable[Path] = ()
    try:
        files = list(journal.end(finished))
    finally:
        heed_interrupts()
        if options.json == STDOUT:
            sys.stdout.write(encode(finished))
        else:
            summarise(finished, recording, options.quiet)
            announce(files, finished)
    if options.json not in (None, STDOUT):
        write_json(finished, Path(options.json))
    pages = [file for file in files if file.suffix == ".html"]
    if options.open and pages:
        webbrowser.open(pages[0].absolute().as_uri())


def write_json(finished: Report, path: Path) -> None:
    """Write a report to one file.

    Raises:
        InputError: the file cannot be written.
    """
    with writable("json", path.parent):
        replace_files(path.parent, {path.name: encode(finished).encode()})


def summarise(finished: Report, recording: Recording | None = None, quiet: bool = False) -> None:
    """Print operations against contracts, the worst failures or the results nearest to a limit, and the verdict."""
    terminal = console()
    if not quiet:
        print_matrix(finished.results, terminal)
    groups = failures(finished.results)
    if groups:
        print_failures(groups, terminal)
    elif not quiet:
        print_nearest(finished.results, terminal)
    stale = (trial for entry in stale_entries(finished) for trial in entry.frameworks.values())
    for reason in dict.fromkeys(trial.reason for trial in stale if trial.status == FAILED):
        print_lines(terminal, reason, "")  # once, where a framework does not load
    if recording:
        print_lines(terminal, f"compared with {recording}")
    for group in skips(finished.results):
        print_lines(terminal, f"skipped: {group.distinct('framework')}: {group.worst.reason}")
    seconds = finished.summary.seconds
    print(f"{report.verdict(finished)}; {plural(len(finished.results), 'result')} in {seconds:.0f} s")


def print_failures(groups: Sequence[Group], console: Console) -> None:
    """Print the worst failures as sentences, each with the command that reproduces it."""
    for group in groups[:SHOWN]:
        print_lines(console, sentence(group.worst), f"  reproduce: {group.worst.reproduce}")
        if group.others:
            print_lines(console, f"  {group.others}")
        print_lines(console, "")
    if len(groups) > SHOWN:
        print_lines(console, f"and {len(groups) - SHOWN} more, of other variants or contracts: see the report", "")


def print_nearest(results: Iterable[Result], console: Console) -> None:
    """Print the passed results nearest to a limit, one for each operation and framework."""
    passed = [result for result in results if result.status == PASSED and result.share]
    shown: dict[tuple[str, str], Result] = {}
    for result in sorted(passed, key=lambda result: result.share, reverse=True):
        shown.setdefault((result.operation, result.framework), result)
    if shown:
        lines = [f"  {nearest(result)}" for result in list(shown.values())[:SHOWN]]
        print_lines(console, "Nearest to a limit:", *lines, "")
