"""The matrix itself: every variant of every operation, held to every contract it promises."""

from __future__ import annotations

import pytest

from parity.checks.result import Finding, explain


def test_contract(parity_findings: list[Finding]) -> None:
    """The variant keeps the contract on every case, in every mode."""
    assert parity_findings, "nothing was compared"
    if said := explain(parity_findings):
        pytest.fail(said, pytrace=False)
