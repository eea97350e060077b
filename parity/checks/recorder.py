"""Record what every variant of a framework gives for every case that checks look at, eagerly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity import bucketing as planner
from parity import frameworks
from parity.arrays import NARROW, Array
from parity.cases.case import Case
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.check import SMALL_GROUPS, Check
from parity.checks.contracts import FIRST, counterpart
from parity.errors import first_lines, told
from parity.frameworks import manifest
from parity.frameworks.observation import plain
from parity.operations import find


@dataclass(frozen=True)
class File:
    """What came of an operation and dtype: its entry in the manifest, and what went wrong.

    Attributes:
        name: of the file.
        entry: as in the manifest; empty if there is no file.
        unexpected: what variants raised that is no expected failure, or why there is no file.
    """

    name: str
    entry: Mapping[str, Any]
    unexpected: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordingTask:
    """Variants of one operation, observed in one dtype, and written: a task for a runner, whose verdict is a `File`."""

    operation: str
    framework: str
    dtype: str
    variants: tuple[str, ...]
    seed: int
    device: frameworks.DeviceSettings
    folder: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.framework}-{self.dtype}"

    @property
    def together(self) -> tuple[str, ...]:
        """By itself: it is as much as a worker should do at a time."""
        return self.operation, self.dtype

    @property
    def cost(self) -> int:
        """Roughly how long it takes, as `parity.checks.check.Check.cost` counts it."""
        return len(self.variants) * sum(len(config.inputs) for config in find(self.operation).configurations)

    def lost(self, reason: str) -> list[File]:
        """The verdict if the process that should give it died."""
        return [File(manifest.file_name(self.operation, self.dtype), {}, (f"{self}: {reason}",))]

    def run(self) -> list[File]:
        """Observe, and write."""
        arrays: dict[str, Array] = {}
        cases: dict[str, str] = {}
        variants: dict[str, dict[str, str]] = {variant: {} for variant in self.variants}
        unexpected = []
        for variant, case in self._asked():
            key = manifest.key_of(case)
            quantities, said = self._observe(variant, case)
            cases[key], variants[variant][key] = manifest.digest(case), first_lines(said)
            arrays |= {f"{variant}/{key}/{name}": array for name, array in quantities.items()}
            if said and not self._refused(variant, case, said):
                unexpected.append(f"{self}: {variant} on {key} raised {first_lines(said)}")
        try:
            return [self._written(arrays, {"cases": cases, "variants": variants}, unexpected)]
        except OSError as error:
            return self.lost(f"cannot be written ({error.strerror})")

    def _asked(self) -> Iterator[tuple[str, Case]]:
        """Each variant with its own cases, and with those of the other framework that are compared with it.

        They differ where a variant cannot give an output: what is compared with it is not asked for that output either,
        and has other gradients.
        """
        row = find(self.operation)
        other = frameworks.FRAMEWORKS[1 - frameworks.FRAMEWORKS.index(self.framework)]
        for config in row.configurations:
            for lengths in lengths_of(config):
                if self.dtype in NARROW and lengths not in FIRST:
                    continue
                case = sample_case(row.name, config.name, lengths, self.dtype, self.seed)
                asked = [(variant, case.given_by(f"{self.framework}.{variant}")) for variant in self.variants]
                theirs = (case.given_by(f"{other}.{variant}") for variant in row.variants[other])
                asked += [(counterpart(other, one)[1], one) for one in theirs]
                yield from dict.fromkeys(pair for pair in asked if pair[0] in self.variants)

    def _observe(self, variant: str, case: Case) -> tuple[Mapping[str, Array], str]:
        try:
            with planner.using(SMALL_GROUPS):
                return frameworks.observe(case, self.framework, variant, device=self.device).quantities, ""
        except Exception as error:  # whatever a variant raises is what there is to record
            return {}, told(error)

    def _refused(self, variant: str, case: Case, said: str) -> bool:
        expected_failure = case.row.expected_failure(f"{self.framework}.{variant}", case.region, "eager", self.dtype)
        return bool(expected_failure and expected_failure.says in said)

    def _written(self, arrays: Mapping[str, Array], held: Mapping[str, Any], unexpected: Sequence[str]) -> File:
        path = Path(self.folder) / manifest.UNFINISHED / manifest.file_name(self.operation, self.dtype)
        np.savez_compressed(path, **plain(arrays))  # type: ignore[arg-type]
        content = path.read_bytes()
        entry = {"operation": self.operation, "dtype": self.dtype, "bytes": len(content)}
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), **held}
        return File(path.name, entry, tuple(unexpected))


def plan_recordings(checks: Iterable[Check], folder: str) -> list[RecordingTask]:
    """What to observe so that checks can be replayed: a task for each operation and dtype among them."""
    variants: dict[tuple[str, str, str, int, frameworks.DeviceSettings], list[str]] = {}
    for check in checks:
        key = check.operation, check.framework, check.dtype, check.seed, check.device
        variants.setdefault(key, []).append(check.variant)
    return [
        RecordingTask(operation, framework, dtype, tuple(dict.fromkeys(those)), seed, device, folder)
        for (operation, framework, dtype, seed, device), those in variants.items()
    ]
