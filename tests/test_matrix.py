"""The matrix itself: every variant of every operation, held to every contract it promises."""

from __future__ import annotations

import pytest

from parity.checks.result import Result, explain


def test_contract(parity_results: list[Result]) -> None:
    """The variant keeps the contract on every case, in every mode."""
    assert parity_results, "nothing was compared"
    if said := explain(parity_results):
        pytest.fail(said, pytrace=False)
