"""A subject: what is held to a contract, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from parity import frameworks
from parity.arrays import Array
from parity.cases.case import Case
from parity.checks.likeness import floor_of_another
from parity.checks.noise import Floor, noise_floor, rounding_of
from parity.errors import INTERRUPTS, InputError, first_lines, message_of
from parity.frameworks.observation import Observation
from parity.frameworks.recording import Recording


class NotExpected(Exception):
    """A function that gives what is expected raised; so nothing is known of the one that is held to it."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"{name} raised {first_lines(message_of(error))}")


class WrongLike(InputError):
    """A function that gives what is expected cannot be used for it."""

    def __init__(self, case: str, error: NotExpected) -> None:
        expected = "one that runs on all that the function is given; lengths= and config= select"
        super().__init__("like", f"a function that fails on {case}: {error}", expected)


@dataclass(frozen=True)
class Subject:
    """One variant in one mode: the thing that is held to a contract.

    Attributes:
        calls: of all configurations, in place of the framework's own function: a user's, or a mutant.
        is_own: whether it is a user's, whose sizes and dtype may be its own.
        recording: observed elsewhere, if others are looked up there and not run here.
        like: a user's function that gives what is expected, in place of the reference.
    """

    framework: str
    variant: str
    mode: str
    calls: Mapping[str, frameworks.Call] = field(default_factory=dict, compare=False)
    device: frameworks.DeviceSettings = frameworks.CPU
    is_own: bool = False
    recording: Recording | None = None
    like: Subject | None = None

    def observe(self, case: Case) -> Observation:
        """Run it, or return an earlier run of the same case."""
        run = frameworks.run_once if self.calls else frameworks.cached_run
        return run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def observe_again(self, case: Case) -> Observation:
        """Run it anew."""
        return frameworks.run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def observe_second(self, case: Case, directions: Mapping[str, Array]) -> dict[str, Array]:
        """Run it for second derivatives; see `parity.frameworks.run_second`."""
        return frameworks.run_second(case, directions, self.framework, self._call(case), self.mode, self.device)

    def observe_other(self, case: Case, framework: str, variant: str) -> Observation:
        """Observe what it is compared with: look it up in the recording, or else run it in eager mode."""
        if self.recording:
            return self.recording.observe(case, framework, variant)
        return Subject(framework, variant, frameworks.MODES[framework][0], device=self.device).observe(case)

    def can(self, config: str) -> bool:
        """Tell whether there is a function for a configuration: a user's is bound to some only."""
        return not self.calls or config in self.calls

    def floor(self, case: Case) -> Floor:
        """Return what is expected, with its noise floor: of the reference, or of the function in place of it.

        Raises:
            NotExpected: that function raised.
        """
        return noise_floor(case) if self.like is None else self.like.as_expected(case)

    def floor_of_itself(self, case: Case) -> Mapping[str, Array]:
        """Return the noise floor within which it is compared with itself.

        A wrong function may give numbers where the reference has 0, and rounds them: its own rounding counts too.
        """
        known = self.floor(case)
        if not self.is_own:
            return known.floor
        given = self.observe(case).quantities
        return {
            name: np.maximum(one, rounding_of(given[name], known.expected[name], case.dtype)) if name in given else one
            for name, one in known.floor.items()
        }

    def as_expected(self, case: Case) -> Floor:
        """Return its own observation in float64 with its noise floor, as another is held to it."""
        floors = vars(self._call(case)).setdefault("floors", {})
        if case not in floors:
            floors[case] = floor_of_another(case, self.observe_as_expected)
        return floors[case]  # type: ignore[no-any-return]

    def observe_as_expected(self, case: Case) -> Observation:
        """Run it anew, for another that is held to it.

        Raises:
            NotExpected: it raised.
        """
        try:
            return self.observe_again(case)
        except INTERRUPTS:
            raise
        except BaseException as error:  # whatever a function raises
            raise NotExpected(self.variant, error) from error

    def _call(self, case: Case) -> frameworks.Call:
        if self.calls:
            return self.calls[case.config]
        return frameworks.call(case.row, case.config, self.framework, self.variant)


def counterpart(framework: str, case: Case) -> tuple[str, str]:
    """Return the other framework and its first variant that can do all of the case; no variant when none can."""
    other = frameworks.FRAMEWORKS[1 - frameworks.FRAMEWORKS.index(framework)]
    for variant in case.row.variants[other]:
        expected_failure = case.row.expected_failure(f"{other}.{variant}", case.region, "eager", case.dtype)
        if not expected_failure and not set(case.row.omitted(f"{other}.{variant}")) & set(case.cotangents):
            return other, variant
    return other, ""
