"""Check every variant of every operation against every contract that it promises."""

from __future__ import annotations

import pytest

from parity.checks.result import Result
from parity.checks.sentences import explain


def test_contract(parity_results: list[Result]) -> None:
    """Check that the variant keeps the contract on every case, in every mode."""
    assert parity_results, "nothing was compared"
    if failure := explain(parity_results):
        pytest.fail(failure, pytrace=False)
