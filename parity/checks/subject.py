"""A subject: what is held to a contract, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from parity import frameworks
from parity.cases.case import Case
from parity.frameworks.observation import Observation
from parity.frameworks.recording import Recording


class Observer(Protocol):
    """Whatever gives an observation of a case: a variant that runs here, or a recording."""

    def observe(self, case: Case) -> Observation:
        """Return what it gives for a case."""


@dataclass(frozen=True)
class Subject:
    """One variant in one mode: the thing that is held to a contract.

    Attributes:
        call: what stands in for the framework's own function: a user's, or a mutant.
        device: where it runs.
        recording: what was observed elsewhere, if others are looked up there and not run here.
    """

    framework: str
    variant: str
    mode: str
    call: frameworks.Call | None = None
    device: frameworks.DeviceSettings = frameworks.CPU
    recording: Recording | None = None

    def observe(self, case: Case) -> Observation:
        """Run it, or return an earlier run of the same case."""
        return frameworks.cached_run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def observe_again(self, case: Case) -> Observation:
        """Run it anew."""
        return frameworks.run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def other(self, framework: str, variant: str) -> Observer:
        """Return what it is compared with: a variant in eager mode, or what was recorded of that."""
        if self.recording:
            return Recorded(self.recording, framework, variant)
        return Subject(framework, variant, frameworks.MODES[framework][0], device=self.device)

    def _call(self, case: Case) -> frameworks.Call:
        return self.call or frameworks.call(case.row, case.config, self.framework, self.variant)


@dataclass(frozen=True)
class Recorded:
    """A variant that observes by looking up what was recorded."""

    recording: Recording
    framework: str
    variant: str

    def observe(self, case: Case) -> Observation:
        """Return what was recorded.

        Raises:
            NotInRecording: nothing that could be compared.
        """
        return self.recording.observe(case, self.framework, self.variant)


def counterpart(framework: str, case: Case) -> tuple[str, str]:
    """Return the other framework and its first variant that can do all of the case; no variant when none can."""
    other = frameworks.FRAMEWORKS[1 - frameworks.FRAMEWORKS.index(framework)]
    for variant in case.row.variants[other]:
        expected_failure = case.row.expected_failure(f"{other}.{variant}", case.region, "eager", case.dtype)
        if not expected_failure and not set(case.row.omitted(f"{other}.{variant}")) & set(case.cotangents):
            return other, variant
    return other, ""
