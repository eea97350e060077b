"""Keep the shard of a run out of all tasks of its selection, in ``parity check`` and in pytest."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parity.checks.check import Check
from parity.checks.runner import Task
from parity.checks.sharding import Divisible, Division, Shard, parse_shard, selection_key
from parity.frameworks import DeviceSettings
from parity.training import Training

if TYPE_CHECKING:
    from parity.report.model import Part

SECONDS_OF_A_TEST = 0.1  # of one that has no task of ours, in a project like this one


@dataclass(frozen=True)
class OtherTest:
    """A test that has no task of ours. Those of one function, with other parameters, stay together."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def group_key(self) -> tuple[str, ...]:
        return (self.name.partition("[")[0],)

    @property
    def cost(self) -> float:
        return SECONDS_OF_A_TEST


def add_shard(parser: argparse.ArgumentParser) -> None:
    """Add the shard of a selection."""
    parser.add_argument(
        "--shard", default="", help='run one of so many parts of the selection: "2/5"; see parity merge'
    )


def in_shard(tasks: Sequence[Divisible], shard: Shard) -> list[bool]:
    """Tell for each task whether it is in a shard. Other tests are divided after the tasks of ours."""
    division = Division(shard.count)
    numbers = division.add(task for task in tasks if not isinstance(task, OtherTest))
    numbers |= division.add(task for task in tasks if isinstance(task, OtherTest))
    return [numbers[task] == shard.number for task in tasks]


def describe_part(
    shard: Shard, tasks: Iterable[Task], names: Iterable[str], *, full: bool, device: DeviceSettings
) -> Part:
    """Describe a shard for its report.

    Args:
        tasks: of all shards.
        names: of everything that was selected; none where that is not known.
        full, device: options of the run.
    """
    from parity.report.model import Part

    names = list(names)
    return Part(
        number=shard.number,
        count=shard.count,
        selection=selection_key(names) if names else "",
        planned=count_checks(tasks),
        full=full,
        device=device.device,
        tf32=device.tf32,
    )


def shard_of(options: argparse.Namespace, tasks: list[Task], device: DeviceSettings) -> tuple[list[Task], Part | None]:
    """Return the tasks that a command runs, and the shard that they are, if one was asked for.

    Raises:
        InputError: ``options.shard`` is none.
    """
    if not options.shard:
        return tasks, None
    shard = parse_shard("shard", options.shard)
    names = [
        " ".join([str(task), *(getattr(task, name, "") for name in ("config", "lengths", "mode"))]) for task in tasks
    ]
    part = describe_part(shard, tasks, names, full=options.full, device=device)
    return [task for task, inside in zip(tasks, in_shard(tasks, shard), strict=True) if inside], part


def count_checks(tasks: Iterable[Task]) -> int:
    """Count the distinct checks and training runs among tasks, which the summary of a report counts."""
    return len({task for task in tasks if isinstance(task, Check | Training)})
