"""Add the options that several commands share, and plan the tasks that those of ``parity check`` select."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import Any

from parity import divergences, training
from parity.arrays import FLOATS
from parity.checks.check import Check
from parity.checks.runner import TIMEOUT, Task
from parity.checks.selection import check_recorded, plan, quick
from parity.errors import InputError, choose, choose_all, shown
from parity.frameworks import FRAMEWORKS, DeviceSettings, lacks
from parity.frameworks.recording import Recording
from parity.operations import OPERATIONS
from parity.report import FOLDER
from parity.training import MODELS, Training
from parity.training.curve import CONTRACT as TRAINS_ALIKE
from parity.training.setup import DTYPE

REPEATED = ("operation", "framework", "variant", "dtype", "contract")
SINGLE = ("config", "lengths", "mode")
NUMBERS = {
    int: ("-?[0-9]{1,15}", "a whole number of at most 15 digits"),  # exact in every part of a report
    float: (r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", "a number"),
}
NOTES = {
    "operation": ", or all operations of this topic",
    "framework": f": {' or '.join(FRAMEWORKS)}",
    "dtype": f": {', '.join(FLOATS)}",
    "contract": "; a selection trains models only if it names trains_alike",
}


class Once(argparse.Action):
    """An option with one value, which is not empty, that is given at most once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Take the value unless it is empty or the second one."""
        given = vars(namespace).setdefault("given", set())
        if option and (values == "" or self.dest in given):
            parser.error(f"{option} takes one value, and no other with it")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def make_strict(parser: argparse.ArgumentParser) -> None:
    """Let a command take each single value once, and numbers in plain digits."""
    parser.register("action", None, Once)
    for kind, (pattern, expected) in NUMBERS.items():
        parser.register("type", kind, partial(_parse, kind, pattern, expected))


def _parse(kind: type[int | float], pattern: str, expected: str, text: str) -> float:
    if not re.fullmatch(pattern, text):
        raise argparse.ArgumentTypeError(f"got {shown(text)}, expected {expected}")
    return kind(text)


def add_selection(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add an option for each name, which may be repeated."""
    group = parser.add_argument_group("selection", "Each may be repeated. Without any, everything is selected.")
    for name in names:
        note = NOTES.get(name, "")
        group.add_argument(f"--{name}", action="append", default=[], help=f"select only this {name}{note}")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the device and its precision."""
    parser.add_argument("--device", default="cpu", help="run on auto, cpu (default) or cuda")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the seed of the sampled cases."""
    parser.add_argument("--seed", type=int, default=0, help="sample the cases with this seed (default 0)")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of worker processes, and the limit of each task."""
    parser.add_argument("--jobs", type=int, help="run so many worker processes (default: one a core, at most 4)")
    limit = f"kill a worker process and fail its task after so many seconds (default {TIMEOUT:g}; none with --jobs 1)"
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help=limit)


def add_require(parser: argparse.ArgumentParser) -> None:
    """Add the frameworks without which the command fails."""
    fails = "fail at once if one of these, such as pytorch,tensorflow, cannot be loaded"
    parser.add_argument("--require", default="", metavar="FRAMEWORK,…", help=fails)


def add_output(parser: argparse.ArgumentParser, action: str = "write the report to this folder") -> None:
    """Add the folder of the report."""
    parser.add_argument("--output", default=FOLDER, metavar="DIR", help=f"{action} (default {FOLDER})")


def is_selection(options: argparse.Namespace) -> bool:
    """Tell whether an option leaves a part of the checks only."""
    return any(getattr(options, name) for name in (*REPEATED, *SINGLE))


def plan_tasks(options: argparse.Namespace, device: DeviceSettings, recording: Recording | None) -> list[Task]:
    """List the checks, training runs and divergences of a selection; all of them where nothing is selected.

    Models are trained only where nothing is selected or their contract is named, because that takes long.

    Raises:
        InputError: an unknown name, a selection without a check, or a recording that lacks some of it.
    """
    if options.quick:
        return [*quick(_plan_checks(options, options.contract, device, recording))]
    if not is_selection(options):
        checks = _plan_checks(options, [], device, recording)
        given = {"seed": options.seed, "full": options.full}
        return [*checks, *divergences.plan(), *training.plan(**given), *training.plan_curves(**given)]
    if TRAINS_ALIKE not in options.contract:
        return [*_plan_checks(options, options.contract, device, recording)]
    runs = _plan_training(options)
    others = [contract for contract in options.contract if contract != TRAINS_ALIKE]
    if others:
        return [*_plan_checks(options, others, device, recording), *runs]
    if absent := lacks(options.device, options.framework or FRAMEWORKS):
        raise InputError("device", repr(options.device), f"a device that is here: {absent}")
    return [*runs]


def _plan_checks(
    options: argparse.Namespace, contracts: list[str], device: DeviceSettings, recording: Recording | None
) -> list[Check]:
    checks = plan(
        options.operation,
        options.framework,
        options.variant,
        options.dtype,
        contracts,
        options.seed,
        options.full,
        config=options.config,
        lengths=options.lengths,
        mode=options.mode,
        device=device,
        recording=recording,
    )
    check_recorded(checks, recording)
    return checks


def _plan_training(options: argparse.Namespace) -> list[Training]:
    """List the training runs of a selection."""
    for name in SINGLE:
        if getattr(options, name):
            raise InputError("contract", f"{TRAINS_ALIKE!r} with --{name}", f"no --{name}: training has its own cases")
    chosen = choose_all("operation", options.operation, OPERATIONS)
    sides = [choose("framework", name, FRAMEWORKS) for name in options.framework] or list(FRAMEWORKS)
    floats = [choose("dtype", name, FLOATS) for name in options.dtype] or [DTYPE]
    known = {variant for row in OPERATIONS.values() for framework in sides for variant in row.variants[framework]}
    variants = [choose("variant", name, sorted(known)) for name in options.variant]
    if DTYPE not in floats:
        raise InputError("dtype", " and ".join(floats), f"{DTYPE}, in which models are trained for {TRAINS_ALIKE}")
    runs = [
        run
        for run in training.plan(seed=options.seed, chosen=dict.fromkeys(sides), full=True)
        if (not chosen or run.model in chosen) and (not variants or run.variant in variants)
    ]
    if not runs:
        raise InputError("selection", "nothing to train", f"a model, in its first variant: {', '.join(MODELS)}")
    return runs
