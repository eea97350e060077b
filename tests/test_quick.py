"""Try one case of each operation for a first look."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from parity.__main__ import main
from parity.checks.selection import plan, quick, takes_long
from parity.operations import OPERATIONS
from parity.report.storage import read
from tests.factories import every_check


def test_every_usual_operation_is_tried_in_both_frameworks_on_one_case() -> None:
    checks = quick(every_check())
    usual = [row.name for row in OPERATIONS.values() if not takes_long(row)]
    assert {"rnn.lstm", "embedding.lookup", "loss.cross_entropy", "decoder.self_attention"} < set(usual)
    cases = {(check.operation, check.framework, check.config, check.lengths, check.mode) for check in checks}
    assert sorted(case[:2] for case in cases) == sorted((n, f) for n in usual for f in ("pytorch", "tensorflow"))
    for check in checks:
        assert len(list(check.runs())) == 1
        assert check.variant == OPERATIONS[check.operation].variants[check.framework][0]


def test_contracts_that_an_operation_promises_are_tried() -> None:
    amounts = Counter(check.contract for check in quick(plan(["rnn.lstm"], ["pytorch"])))
    in_float32 = plan(["rnn.lstm"], ["pytorch"], ["packed"], ["float32"])
    assert amounts == dict.fromkeys([check.contract for check in in_float32], 1)


def test_what_is_named_is_kept() -> None:
    assert {check.operation for check in quick(plan(["cells"]))} == {n for n in OPERATIONS if n.startswith("cells.")}
    selected = plan(["model.tagger"], variants=["two_pass"], dtypes=["float64"], config="lstm", lengths="short")
    checks = quick(selected)
    assert {(check.variant, check.dtype, check.lengths) for check in checks} == {("two_pass", "float64", "short")}


def test_the_command_writes_a_report(tmp_path: Path, pytorch: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--operation", "pooling.mean", "--framework", pytorch, "--contract", "repeatable", "--jobs", "1"]
    assert main(["check", "--quick", *options, "--output", str(tmp_path)]) == 0
    assert "1 check agrees" in capsys.readouterr().out
    (result,) = read(tmp_path / "report.json").results
    assert (result.case, result.mode, result.dtype) == ("features/ragged", "eager", "float32")


def test_quick_and_full_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--quick", "--full"]) == 2
    assert "argument --full: not allowed with argument --quick" in capsys.readouterr().err
