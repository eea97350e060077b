"""``parity record``: store what a framework observes, for ``parity check --replay`` to compare with elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from parity import frameworks
from parity.arrays import FLOATS
from parity.checks.check import plan
from parity.checks.recorder import File, plan_recordings
from parity.checks.runner import Runner
from parity.cli.progress import signals, verdicts
from parity.errors import FrameworkUnavailable
from parity.frameworks import manifest
from parity.frameworks.recording import opened
from parity.report.environment import environment

HELP = "store what a framework observes, for parity check --replay"
SHOWN = 10  # of what was not to be expected


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("--framework", required=True, help="the framework to observe")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="where the recording goes; an earlier one there is replaced"
    )
    for name in ("operation", "variant", "dtype"):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only this {name}; may be repeated")
    parser.add_argument("--full", action="store_true", help="also narrow dtypes, for parity check --full")
    parser.add_argument("--device", default="cpu", help="auto, cpu (default) or cuda")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled cases (default 0)")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


def run(options: argparse.Namespace) -> int:
    """Observe, write the recording; returns 1 if something raised what it is not known to, 130 if somebody interrupted.

    Raises:
        InputError: an unknown name, or a folder that cannot be written or holds something else.
        FrameworkUnavailable: the framework cannot be loaded.
    """
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    selection = (options.operation, [options.framework], options.variant, options.dtype, ["matches_reference"])
    device = frameworks.DeviceSettings(options.device, options.tf32)
    checks = plan(*selection, options.seed, options.full, device=device)
    runner = Runner(plan_recordings(checks, options.output), options.jobs, device=device)
    if reason := frameworks.missing(options.framework):
        raise FrameworkUnavailable(reason)
    manifest.writable(options.output)
    found, interrupted = verdicts(runner)
    if interrupted:
        manifest.discard(options.output)
        print("interrupted: no recording was written")
        return 130
    files: list[File] = [file for came in found.values() for file in came]
    unexpected = [said for file in files for said in file.unexpected]
    for said in unexpected[:SHOWN]:
        print(said)
    if len(unexpected) > SHOWN:
        print(f"and {len(unexpected) - SHOWN} more")
    if not all(file.entry for file in files):
        manifest.discard(options.output)
        print("failed: no recording was written")
        return 1
    manifest.finish(options.output, _told(files, options.framework, options.seed, runner.environment))
    print(f"{_amount(files)}: {opened(options.output)}")
    return int(bool(unexpected))


def _told(files: list[File], framework: str, seed: int, frameworks: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What the manifest says, but for its schema and checksum."""
    dtypes = {file.entry["dtype"] for file in files}
    return {
        "framework": framework,
        "seed": seed,
        "dtypes": [dtype for dtype in FLOATS if dtype in dtypes],
        "device": frameworks[framework]["device"],
        "environment": environment({framework: frameworks[framework]}, seed),
        "files": {file.name: dict(file.entry) for file in sorted(files, key=lambda file: file.name)},
    }


def _amount(files: list[File]) -> str:
    said = [raised for file in files for keys in file.entry["variants"].values() for raised in keys.values()]
    size = sum(file.entry["bytes"] for file in files)
    return f"{len(said) - sum(map(bool, said))} observations, {sum(map(bool, said))} refused, {size / 1e6:.1f} MB"
