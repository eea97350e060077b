"""What a pair of statuses means: newly fails, newly passes, appeared, went, and so on."""

from __future__ import annotations

from parity.checks.result import FAILED, PASSED
from parity.diff.match import ABSENT, UNREACHED

FAILS, PASSES, STILL = "newly fails", "newly passes", "still fails"
COMPARED, UNCOMPARED = "newly compared", "no longer compared"
APPEARED, WENT, NOT_RUN, ALIKE = "appeared", "went", "not run", "as before"


def turn(before: str, after: str) -> str:
    """What became of a run, or of a check.

    A failure that was not there before is a new one, also where an earlier run was cut short before it came to it:
    nothing says that it would have failed. What fails no longer has passed only if it was compared. What a run that
    was cut short lacks has not gone: it was not run.

    >>> turn("passed", "failed"), turn("failed", "skipped"), turn("passed", "not run"), turn("xfailed", "skipped")
    ('newly fails', 'no longer compared', 'not run', 'as before')
    """
    if after == FAILED:
        return STILL if before == FAILED else FAILS
    if UNREACHED in (before, after):
        return NOT_RUN
    if ABSENT in (before, after):
        return APPEARED if before == ABSENT else WENT
    if after == PASSED:
        return PASSES if before == FAILED else ALIKE if before == PASSED else COMPARED
    return UNCOMPARED if before in (PASSED, FAILED) else ALIKE
