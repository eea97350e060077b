"""Record what a framework observes, for ``parity check --replay`` to compare with: ``parity record``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from parity import frameworks
from parity.arrays import FLOATS
from parity.checks.recorder import RecordingResult, plan_recordings
from parity.checks.runner import Runner
from parity.checks.selection import plan
from parity.cli.options import add_device, add_jobs, add_seed, add_selection
from parity.cli.own_model import EXPECTED, add_inputs, add_runs, imported, needed_inputs
from parity.cli.streams import heed_interrupts
from parity.cli.terminal import run_tasks
from parity.errors import FrameworkUnavailable, InputError, printable
from parity.frameworks import writing
from parity.frameworks.manifest import Manifest, Origin, RecordedFile
from parity.frameworks.recording import verified
from parity.models.checking import DTYPES
from parity.pairs.recording import record_model
from parity.report.environment import describe_environment
from parity.report.formatting import plural

SHOWN = 10  # unexpected errors


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity record``."""
    parser.add_argument("--framework", default="", help="record this framework")
    parser.add_argument("--model", metavar="M", help=f"record a model of your own instead: {EXPECTED}")
    add_inputs(parser)
    add_runs(parser)
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="write the recording to this folder; an earlier one is replaced"
    )
    add_selection(parser, "operation", "variant", "dtype")
    parser.add_argument("--full", action="store_true", help="add narrow dtypes, for parity check --full")
    add_device(parser)
    add_seed(parser)
    add_jobs(parser)


def run(options: argparse.Namespace) -> int:
    """Observe all cases, or a model of a user's, and write the recording."""
    if options.model is not None:
        return _record_model(options)
    if not options.framework:
        raise InputError("parity record", "neither --framework nor --model", "what to record")
    device = frameworks.DeviceSettings(options.device, options.tf32)
    checks = plan(
        options.operation,
        [options.framework],
        options.variant,
        options.dtype,
        ["matches_reference"],
        options.seed,
        options.full,
        device=device,
    )
    tasks = plan_recordings(checks, options.output)
    runner = Runner(tasks, options.jobs, device=device, timeout=options.timeout, own_process=True)
    if reason := frameworks.missing(options.framework):
        raise FrameworkUnavailable(reason)
    with writing.begin(options.output):
        by_task, interrupted = run_tasks(runner)
        if interrupted:
            writing.discard(options.output)
            heed_interrupts()
            print("interrupted: no recording was written")
            return 130
        return _finish(options, [result for results in by_task.values() for result in results], runner.environment)


def _record_model(options: argparse.Namespace) -> int:
    """Record a model of a user's."""
    dtypes = options.dtype or [DTYPES[0]]
    if options.operation or options.variant or len(dtypes) > 1:
        raise InputError("parity record --model", "--operation, --variant or several --dtype", "at most one --dtype")
    inputs = needed_inputs(options, "parity record --model")
    recording = record_model(
        imported(options.model),
        inputs,
        options.output,
        dtype=dtypes[0],
        seeds=options.seeds,
        training=options.training,
        framework=options.framework,
    )
    size = sum(file.bytes for file in recording.manifest.files.values())
    samples = plural(recording.manifest.seeds, "sample")
    print(printable(f"{samples} in {' and '.join(recording.manifest.dtypes)}, {size / 1e6:.1f} MB: {recording}"))
    if recording.manifest.lacking:
        print(printable(f"without layers, so that parity pair does not take it: {recording.manifest.lacking}"))
    return 0


def _finish(
    options: argparse.Namespace, results: Sequence[RecordingResult], environment: Mapping[str, dict[str, Any]]
) -> int:
    """Complete the recording if every file was written, and print unexpected errors."""
    errors = [error for result in results for error in result.errors]
    files = {result.name: result.file for result in sorted(results, key=lambda result: result.name) if result.file}
    complete = len(files) == len(results)
    try:
        if complete:
            _complete(options, files, environment)
        else:
            writing.discard(options.output)
    finally:  # even if it cannot be written
        heed_interrupts()
        print("".join(f"{printable(error)}\n" for error in errors[:SHOWN]), end="")
        if len(errors) > SHOWN:
            print(f"and {len(errors) - SHOWN} more")
    if not complete:
        print("failed: no recording was written")
        return 1
    print(printable(f"{_amount(list(files.values()))}: {verified(options.output)}"))
    if errors:
        print(f"failed: {plural(len(errors), 'error')} that nobody expects")
    return int(bool(errors))


def _complete(
    options: argparse.Namespace, files: dict[str, RecordedFile], environment: Mapping[str, dict[str, Any]]
) -> None:
    """Write the manifest, and replace an earlier recording."""
    dtypes = {file.dtype for file in files.values()}
    settings = {options.framework: environment[options.framework]}
    origin = msgspec.convert(describe_environment(settings, options.seed), Origin, from_attributes=True)
    contents = Manifest(
        framework=options.framework,
        seed=options.seed,
        dtypes=tuple(dtype for dtype in FLOATS if dtype in dtypes),
        device=environment[options.framework]["device"],
        environment=origin,
        files=files,
    )
    writing.finish(options.output, contents)


def _amount(files: Sequence[RecordedFile]) -> str:
    """Count the observations, those that raised, and their size."""
    errors = [error for file in files for by_case in file.variants.values() for error in by_case.values()]
    raised = sum(bool(error) for error in errors)
    size = sum(file.bytes for file in files)
    return f"{len(errors) - raised} observations, {raised} raised an error, {size / 1e6:.1f} MB"
