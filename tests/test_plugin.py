"""Run the pytest plugin in test runs of its own."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from parity import report
from parity.checks.selection import plan

pytest_plugins = ["pytester"]

# The fixture would load torch: pytester unloads modules that a test has loaded, and torch loads only once.
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

MATRIX = """
    import pytest
    from parity.checks.sentences import explain
    def test_contract(parity_results):
        if failure := explain(parity_results):
            pytest.fail(failure, pytrace=False)
"""
BROKEN = """
    import importlib
    importlib.import_module("parity.pytorch.runtime")
    from parity.pytorch import bidirectional
    bidirectional.reverse_sequence = lambda x, lengths, variant: {"y": x.flip(1)}
"""
SELECTED = "reverse_sequence-pytorch and float32 and (matches_reference or repeatable)"
QUICK = ("-k", SELECTED, "--parity-jobs", "1", "-p", "no:cacheprovider")


def test_every_check_is_a_test_whose_id_names_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    listed = pytester.runpytest_subprocess("--collect-only", "-q")
    listed.stdout.fnmatch_lines(["*test_contract?rnn.lstm-pytorch.packed-float32-ignores_padding?"])


def test_without_a_check_no_report_is_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert not (pytester.path / "parity-report").exists()


FIXTURES = """
    def test_mutant(parity_mutant):
        assert parity_mutant.status == "killed", parity_mutant.reason
    def test_trial(parity_trial):
        assert parity_trial.status == "passed", parity_trial.reason
"""


@needs_torch
def test_mutants_and_divergences_are_tests_too_and_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FIXTURES)
    selected = "masking.one_step_too_many or loss.denominator-pytorch"
    run = pytester.runpytest_subprocess("-k", selected, "--parity-jobs", "1", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=2, deselected=run.parseoutcomes()["deselected"])
    finished = report.read(pytester.path / "parity-report")
    assert [mutant.name for mutant in finished.mutants] == ["masking.one_step_too_many"]
    assert [divergence.name for divergence in finished.divergences] == ["loss.denominator"]


def test_a_missing_framework_is_a_named_skip_and_a_failure_when_required(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    pytester.makeconftest("import sys; sys.modules['tensorflow'] = None")
    selected = ("-k", "reverse_sequence-tensorflow and float32", "--parity-jobs", "1", "-rs")
    skipped = pytester.runpytest_subprocess(*selected)
    skipped.assert_outcomes(skipped=10, deselected=len(plan()) - 10)
    skipped.stdout.fnmatch_lines(["SKIPPED*framework tensorflow: *To install it: *"])
    required = pytester.runpytest_subprocess(*selected, "--parity-require", "tensorflow")
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
    run = pytester.runpytest_subprocess("-k", "reverse_sequence-pytorch", option)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([WRONG[option]])
    assert "Traceback" not in run.stdout.str() + run.stderr.str()


@needs_torch
def test_a_broken_variant_fails_its_test_and_the_report_explains_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(BROKEN)
    run = pytester.runpytest_subprocess(*QUICK, "--parity-report", "there", "--parity-seed", "3")
    run.assert_outcomes(failed=1, passed=1, deselected=len(plan()) - 2)
    run.stdout.fnmatch_lines(
        [
            "parity: *torch *; seed 3; device cpu, TF32 off",
            "y of pytorch.gather in bidirectional.reverse_sequence (features/ragged, float32, eager) breaks matches*",
            "*reproduce: parity check --operation bidirectional.reverse_sequence --framework pytorch*",
            "*1 of 2 checks failed*",
            "report: there/report.json, there/report.md, there/index.html",
            (pytester.path / "there" / "index.html").as_uri(),
        ]
    )
    assert "Traceback" not in run.stdout.str()
    assert "::error" not in run.stdout.str()
    results = report.read(pytester.path / "there").results
    assert {result.seed for result in results} == {3}
    assert {result.contract for result in results} == {"matches_reference", "repeatable"}


@needs_torch
@pytest.mark.parametrize("processes", ["0", "2"])
def test_one_process_publishes_on_github(
    processes: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check the one that writes the report, also where xdist has others run the tests."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(BROKEN)
    run = pytester.runpytest_subprocess(*QUICK, "-n", processes)
    run.assert_outcomes(failed=1, passed=1, deselected=run.parseoutcomes().get("deselected", 0))
    errors = [line for line in run.stdout.lines if line.startswith("::error title=bidirectional.reverse_sequence ")]
    assert len(errors) == 1
    assert (pytester.path / "summary.md").read_text() == (pytester.path / "parity-report" / "report.md").read_text()


@needs_torch
def test_a_summary_that_cannot_be_written_is_a_warning_and_no_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "missing" / "summary.md"))
    pytester.makepyfile(MATRIX)
    run = pytester.runpytest_subprocess(*QUICK)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(["parity: the summary of the job could not be written to *: No such file or directory"])
    assert (pytester.path / "parity-report" / "report.md").exists()


@needs_torch
def test_a_recording_is_compared_with_and_named_in_the_header(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    selected = ("--operation", "bidirectional.reverse_sequence", "--dtype", "float32", "--jobs", "1")
    pytester.run(sys.executable, "-m", "parity", "record", "--framework", "pytorch", *selected, "--output", "there")
    replay = ("--parity-jobs", "1", "--parity-replay", "there")
    run = pytester.runpytest_subprocess(*replay, "-k", "reverse_sequence-pytorch and float32 and agrees_with_recording")
    run.assert_outcomes(passed=1, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(["parity: compared with torch * on cpu, recorded in there"])
    replayed = report.read(pytester.path / "parity-report").environment.replayed
    assert replayed is not None
    assert replayed.framework == "pytorch"
    lacking = pytester.runpytest_subprocess(*replay, "-k", "reverse_sequence-pytorch and agrees_with_recording")
    assert lacking.ret == pytest.ExitCode.USAGE_ERROR
    lacking.stderr.fnmatch_lines(
        ["ERROR: replay: got a recording without bidirectional.reverse_sequence in float64, gather*"]
    )
