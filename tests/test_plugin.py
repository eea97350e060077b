"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec

import pytest

from parity.checks.check import plan

pytest_plugins = ["pytester"]

# not the fixture, which loads it: pytester takes modules back that a test has loaded, and torch loads only once
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

MATRIX = """
    import pytest
    from parity.checks.result import explain
    def test_contract(parity_results):
        if said := explain(parity_results):
            pytest.fail(said, pytrace=False)
"""
BROKEN = """
    import importlib
    importlib.import_module("parity.pytorch.runtime")
    from parity.pytorch import bidirectional
    bidirectional.reverse_sequence = lambda x, lengths, variant: {"y": x.flip(1)}
"""
QUICK = (
    "-k",
    "reverse_sequence-pytorch and float32 and (matches_reference or repeatable)",
    "--parity-jobs",
    "1",
    "-p",
    "no:cacheprovider",
)


def test_every_check_is_a_test_with_a_speaking_id(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    listed = pytester.runpytest_subprocess("--collect-only", "-q")
    listed.stdout.fnmatch_lines(["*test_contract?rnn.lstm-pytorch.packed-float32-ignores_padding?"])


def test_without_a_check_no_report_is_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert not (pytester.path / "parity-report").exists()


def test_a_missing_framework_is_a_named_skip_and_a_failure_when_required(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    pytester.makeconftest("import sys; sys.modules['tensorflow'] = None")
    wanted = ("-k", "reverse_sequence-tensorflow and float32", "--parity-jobs", "1", "-rs")
    skipped = pytester.runpytest_subprocess(*wanted)
    skipped.assert_outcomes(skipped=10, deselected=len(plan()) - 10)
    skipped.stdout.fnmatch_lines(["SKIPPED*framework tensorflow: *To install it: *"])
    required = pytester.runpytest_subprocess(*wanted, "--parity-require", "tensorflow")
    assert required.ret == pytest.ExitCode.USAGE_ERROR
    required.stderr.fnmatch_lines(["ERROR: --parity-require: framework tensorflow: *"])


WRONG = {
    "--parity-seed=-1": "*ERROR: --parity-seed: got -1, expected a whole number of 0 or more",
    "--parity-jobs=many": "*error: argument --parity-jobs: invalid int value: 'many'",
    "--parity-report=/dev/null/there": "*ERROR: --parity-report: got '/dev/null/there', expected a folder that can*",
    "--parity-replay=/dev/null": "*replay: got '/dev/null', which is no folder, expected a folder*",
}


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_option_is_named(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile(MATRIX)
    done = pytester.runpytest_subprocess("-k", "reverse_sequence-pytorch", option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([WRONG[option]])
    assert "Traceback" not in done.stdout.str() + done.stderr.str()


@needs_torch
def test_a_broken_variant_turns_its_test_red_and_the_report_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(BROKEN)
    done = pytester.runpytest_subprocess(*QUICK, "--parity-report", "there", "--parity-seed", "3")
    done.assert_outcomes(failed=1, passed=1, deselected=len(plan()) - 2)
    done.stdout.fnmatch_lines(
        [
            "parity: *torch *; seed 3; device cpu, TF32 off",
            "y of pytorch.gather in bidirectional.reverse_sequence (features/ragged, float32, eager) breaks matches*",
            "*again: parity check --operation bidirectional.reverse_sequence --framework pytorch*",
            "*1 of 2 checks failed*",
            "report: there/report.json, there/report.md, there/index.html",
            (pytester.path / "there" / "index.html").as_uri(),
        ]
    )
    assert "Traceback" not in done.stdout.str()
    assert "::error" not in done.stdout.str()
    record = json.loads((pytester.path / "there" / "report.json").read_text())
    assert {check["seed"] for check in record["checks"]} == {3}
    assert {check["contract"] for check in record["checks"]} == {"matches_reference", "repeatable"}


@needs_torch
@pytest.mark.parametrize("processes", ["0", "2"])
def test_one_process_tells_github(processes: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that writes the report, also where xdist has others run the tests."""
    for variable, value in (("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md")), ("GITHUB_ACTIONS", "true")):
        monkeypatch.setenv(variable, value)
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(BROKEN)
    done = pytester.runpytest_subprocess(*QUICK, "-n", processes)
    done.assert_outcomes(failed=1, passed=1, deselected=done.parseoutcomes().get("deselected", 0))
    told = [line for line in done.stdout.lines if line.startswith("::error title=bidirectional.reverse_sequence ")]
    assert len(told) == 1
    assert (pytester.path / "summary.md").read_text() == (pytester.path / "parity-report" / "report.md").read_text()


@needs_torch
def test_a_summary_that_cannot_be_written_is_said_and_no_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "missing" / "summary.md"))
    pytester.makepyfile(MATRIX)
    done = pytester.runpytest_subprocess(*QUICK)
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(["parity: the summary of the job could not be written to *: No such file or directory"])
    assert (pytester.path / "parity-report" / "report.md").exists()


@needs_torch
def test_a_record_is_compared_with_and_named_in_the_header(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    there = ("--operation", "bidirectional.reverse_sequence", "--dtype", "float32", "--jobs", "1", "--output", "there")
    pytester.run(sys.executable, "-m", "parity", "record", "--framework", "pytorch", *there)
    jobs = ("--parity-jobs", "1", "--parity-replay", "there")
    selected = ("-k", "reverse_sequence-pytorch and float32 and agrees_with_recording")
    done = pytester.runpytest_subprocess(*jobs, *selected)
    done.assert_outcomes(passed=1, deselected=done.parseoutcomes()["deselected"])
    done.stdout.fnmatch_lines(["parity: compared with torch * on cpu, recorded in there"])
    record = json.loads((pytester.path / "parity-report" / "report.json").read_text())
    assert record["environment"]["replayed"]["framework"] == "pytorch"
    lacking = pytester.runpytest_subprocess(*jobs, "-k", "reverse_sequence-pytorch and agrees_with_recording")
    assert lacking.ret == pytest.ExitCode.USAGE_ERROR
    lacking.stderr.fnmatch_lines(
        ["ERROR: replay: got a record without bidirectional.reverse_sequence in float64, gather*"]
    )
