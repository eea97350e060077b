"""Check that every divergence is still as its entry describes it."""

from __future__ import annotations

from parity.checks.result import PASSED
from parity.divergences import Trial


def test_divergence(parity_trial: Trial) -> None:
    """Check that the naive code gives the values of the entry."""
    assert parity_trial.status == PASSED, parity_trial.reason
