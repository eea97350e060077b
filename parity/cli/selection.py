"""Plan the tasks that the options of ``parity check`` select."""

from __future__ import annotations

import argparse

from parity import divergences, training
from parity.arrays import FLOATS
from parity.checks.check import Check
from parity.checks.runner import Task
from parity.checks.selection import check_recorded, plan
from parity.errors import InputError, choose, choose_all
from parity.frameworks import FRAMEWORKS, DeviceSettings, lacks
from parity.frameworks.recording import Recording
from parity.operations import OPERATIONS
from parity.training import MODELS, Training
from parity.training.curve import CONTRACT as TRAINS_ALIKE
from parity.training.setup import DTYPE

REPEATED = ("operation", "framework", "variant", "dtype", "contract")
SINGLE = ("config", "lengths", "mode")


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
