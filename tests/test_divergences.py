"""The divergences: every one is still as it was described."""

from __future__ import annotations

from parity.divergences import Trial


def test_divergence(parity_trial: Trial) -> None:
    """The naive code gives what the entry says."""
    assert not parity_trial.stale, parity_trial.stale
