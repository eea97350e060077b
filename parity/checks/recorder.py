"""Record the observations of every variant of a framework, eagerly, on every case that checks compare."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity import bucketing, frameworks
from parity.arrays import NARROW, Array
from parity.cases.case import Case
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.check import SMALL_GROUPS, Check
from parity.checks.contracts import FIRST
from parity.checks.subject import counterpart
from parity.errors import first_lines, message_of
from parity.files import write_new
from parity.frameworks.manifest import RecordedFile, digest, file_name, key_of
from parity.frameworks.observation import plain
from parity.frameworks.writing import UNFINISHED
from parity.operations import find


@dataclass(frozen=True)
class RecordingResult:
    """The outcome of recording an operation in a dtype."""

    name: str  # of the file
    file: RecordedFile | None  # its description in the manifest; None if it could not be written
    errors: tuple[str, ...] = ()  # what variants raised that is no expected failure, or why there is no file


@dataclass(frozen=True)
class RecordingTask:
    """A task that records variants of one operation in one dtype, and writes the file."""

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
    def group_key(self) -> tuple[str, ...]:
        return self.operation, self.dtype  # as much as a worker should run at a time

    @property
    def cost(self) -> int:
        return len(self.variants) * sum(len(config.inputs) for config in find(self.operation).configurations)

    def on_crash(self, reason: str) -> list[RecordingResult]:
        return [RecordingResult(file_name(self.operation, self.dtype), None, (f"{self}: {reason}",))]

    def run(self) -> list[RecordingResult]:
        """Observe every variant on every case, and write the file."""
        arrays: dict[str, Array] = {}
        cases: dict[str, str] = {}
        variants: dict[str, dict[str, str]] = {variant: {} for variant in self.variants}
        errors = []
        for variant, case in self._runs():
            key = key_of(case)
            quantities, message = self._observe(variant, case)
            cases[key], variants[variant][key] = digest(case), first_lines(message)
            arrays |= {f"{variant}/{key}/{name}": array for name, array in quantities.items()}
            expected = case.row.expected_failure(f"{self.framework}.{variant}", case.region, "eager", self.dtype)
            if message and not (expected and expected.message in message):
                errors.append(f"{self}: {variant} on {key} raised {first_lines(message)}")
        try:
            file = self._write(arrays, cases, variants)
        except OSError as error:
            return self.on_crash(f"cannot be written ({error.strerror})")
        return [RecordingResult(file_name(self.operation, self.dtype), file, tuple(errors))]

    def _runs(self) -> Iterator[tuple[str, Case]]:
        """Yield each variant with its own cases, and with those of the other framework that are compared with it.

        They differ where a variant omits an output: then its counterpart gets no cotangent for that output either, and
        has other gradients.
        """
        row = find(self.operation)
        other = frameworks.FRAMEWORKS[1 - frameworks.FRAMEWORKS.index(self.framework)]
        for config in row.configurations:
            for lengths in lengths_of(config):
                if self.dtype in NARROW and lengths not in FIRST:
                    continue
                case = sample_case(row.name, config.name, lengths, self.dtype, self.seed)
                runs = [(variant, case.given_by(f"{self.framework}.{variant}")) for variant in self.variants]
                compared = [case.given_by(f"{other}.{variant}") for variant in row.variants[other]]
                runs += [(counterpart(other, reduced)[1], reduced) for reduced in compared]
                yield from dict.fromkeys(run for run in runs if run[0] in self.variants)

    def _observe(self, variant: str, case: Case) -> tuple[Mapping[str, Array], str]:
        try:
            with bucketing.using(SMALL_GROUPS):
                return frameworks.observe(case, self.framework, variant, device=self.device).quantities, ""
        except Exception as error:  # whatever a variant raises is what there is to report
            return {}, message_of(error)

    def _write(
        self, arrays: Mapping[str, Array], cases: dict[str, str], variants: dict[str, dict[str, str]]
    ) -> RecordedFile:
        archive = io.BytesIO()
        np.savez_compressed(archive, **plain(arrays))  # type: ignore[arg-type]
        content = archive.getvalue()
        write_new(Path(self.folder) / UNFINISHED / file_name(self.operation, self.dtype), content)
        return RecordedFile(
            operation=self.operation,
            dtype=self.dtype,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            cases=cases,
            variants=variants,
        )


def plan_recordings(checks: Iterable[Check], folder: str) -> list[RecordingTask]:
    """List a task for each operation and dtype of some checks, so that these can be replayed."""
    variants: dict[tuple[str, str, str, int, frameworks.DeviceSettings], list[str]] = {}
    for check in checks:
        key = check.operation, check.framework, check.dtype, check.seed, check.device
        variants.setdefault(key, []).append(check.variant)
    return [
        RecordingTask(operation, framework, dtype, tuple(dict.fromkeys(names)), seed, device, folder)
        for (operation, framework, dtype, seed, device), names in variants.items()
    ]
