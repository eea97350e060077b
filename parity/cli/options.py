"""Add the options that several commands share, and plan the tasks that those of ``parity check`` select."""

from __future__ import annotations

import argparse
from typing import Any

from parity import divergences, training
from parity.arrays import FLOATS
from parity.checks.check import Check
from parity.checks.runner import Task
from parity.checks.selection import check_recorded, plan
from parity.errors import InputError, choose, choose_all
from parity.frameworks import FRAMEWORKS, DeviceSettings, lacks
from parity.frameworks.recording import Recording
from parity.operations import OPERATIONS
from parity.report import FOLDER
from parity.training import MODELS, Training
from parity.training.curve import CONTRACT as TRAINS_ALIKE
from parity.training.setup import DTYPE

REPEATED = ("operation", "framework", "variant", "dtype", "contract")
SINGLE = ("config", "lengths", "mode")
NOTES = {
    "operation": ", or all operations of this topic",
    "contract": "; a selection trains models only if it names trains_alike",
}


class Once(argparse.Action):
    """An option with one value that is given at most once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _: str | None = None
    ) -> None:
        """Take the value unless it is empty or the second one."""
        if not values or getattr(namespace, self.dest):
            parser.error(f"{self.option_strings[0]} takes one value, and no other with it")
        setattr(namespace, self.dest, values)


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
    """Add the number of worker processes."""
    parser.add_argument("--jobs", type=int, help="run so many worker processes (default: one a core, at most 4)")


def add_output(parser: argparse.ArgumentParser, action: str = "write the report to this folder") -> None:
    """Add the folder of the report."""
    parser.add_argument("--output", default=FOLDER, metavar="DIR", help=f"{action} (default {FOLDER})")


def plan_tasks(options: argparse.Namespace, device: DeviceSettings, recording: Recording | None) -> list[Task]:
    """List the checks, training runs and divergences of a selection; all of them where nothing is selected.

    Models are trained only where nothing is selected or their contract is named, because that takes long.

    Raises:
        InputError: an unknown name, a selection without a check, or a recording that lacks some of it.
    """
    if not any(getattr(options, name) for name in (*REPEATED, *SINGLE)):
        checks = _plan_checks(options, [], device, recording)
        seed = options.seed
        return [*checks, *divergences.plan(), *training.plan(seed=seed), *training.plan_curves(seed=seed)]
    if TRAINS_ALIKE not in options.contract:
        return [*_plan_checks(options, options.contract, device, recording)]
    runs = _plan_training(options)
    others = [contract for contract in options.contract if contract != TRAINS_ALIKE]
    if others:
        return [*_plan_checks(options, others, device, recording), *runs]
    if absent := lacks(options.device, options.framework or FRAMEWORKS):
        raise InputError("device", repr(options.device), f"a device that is here: {absent}")
    if not runs:
        models = ", ".join(MODELS)
        raise InputError("selection", "no check at all", f"the first variant of a model, in {DTYPE}: {models}")
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
    runs = training.plan(seed=options.seed, chosen=dict.fromkeys(sides))
    return [
        run
        for run in runs
        if DTYPE in floats
        and (not chosen or run.model in chosen)
        and (not options.variant or run.variant in options.variant)
    ]
