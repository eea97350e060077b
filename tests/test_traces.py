"""Check that a graph that cannot be traced fails alike each time, and leaves nothing that breaks a later run."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from parity.checks.check import Check
from parity.checks.result import PASSED, XFAILED

STATIC = Check("rnn.rnn", "tensorflow", "static", "float32", "matches_reference", config="tanh", lengths="ragged")


@pytest.mark.parametrize("contract", ["matches_reference", "repeatable", "frameworks_agree", "same_in_every_mode"])
def test_a_trace_that_fails_fails_alike_in_every_run(contract: str, tensorflow: str) -> None:
    in_graph = replace(STATIC, contract=contract, mode="graph")
    assert [result.status for _ in range(2) for result in in_graph.run()] == [XFAILED] * 2


def test_layers_that_a_failed_trace_built_work_afterwards(tensorflow: str) -> None:
    import_module("parity.tensorflow.rnn").built.cache_clear()
    results = [replace(STATIC, mode=mode).run()[0].status for mode in ("graph", "eager")]
    assert results == [XFAILED, PASSED]
