"""Run the pytest plugin in test runs of its own."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

import padding_parity_plugin
from parity import report
from parity.checks.selection import plan
from tests.full_runs import every_other, full_run, some

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
FEW = """
    from functools import partial
    from parity.checks import selection
    selection.plan = partial(selection.plan, ["bidirectional.reverse_sequence"])  # collecting all takes a second
"""
BROKEN = """
    import importlib
    importlib.import_module("parity.pytorch.runtime")
    from parity.pytorch import bidirectional
    bidirectional.reverse_sequence = lambda x, lengths, variant: {"y": x.flip(1)}
"""
SELECTED = "reverse_sequence-pytorch and float32 and (matches_reference or repeatable)"
HERE = ("--parity-jobs", "1", "-p", "no:cacheprovider")
QUICK = ("-k", SELECTED, *HERE)


def test_every_check_is_a_test_whose_id_names_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    listed = pytester.runpytest_subprocess("--collect-only", "-q")
    listed.stdout.fnmatch_lines(["*test_contract?rnn.lstm-pytorch.packed-float32-ignores_padding?"])


def test_without_a_check_no_report_is_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert not (pytester.path / "parity-pytest").exists()


FIXTURES = """
    def test_mutant(parity_mutant):
        assert parity_mutant.status == "killed", parity_mutant.reason
    def test_trial(parity_trial):
        assert parity_trial.status == "passed", parity_trial.reason
"""


@full_run  # tests/test_mutants.py and tests/test_divergences.py are such tests
@needs_torch
def test_mutants_and_divergences_are_tests_too_and_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FIXTURES)
    selected = "masking.one_step_too_many or loss.denominator-pytorch"
    run = pytester.runpytest_subprocess("-k", selected, "--parity-jobs", "1", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=2, deselected=run.parseoutcomes()["deselected"])
    finished = report.read(pytester.path / "parity-pytest")
    assert [mutant.name for mutant in finished.mutants] == ["masking.one_step_too_many"]
    assert [divergence.name for divergence in finished.divergences] == ["loss.denominator"]


def test_a_missing_framework_is_a_named_skip_and_a_failure_when_required(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(f"{dedent(FEW)}\nimport sys\nsys.modules['tensorflow'] = None")
    selected = ("-k", "reverse_sequence-tensorflow and float32", "--parity-jobs", "1", "-rs")
    skipped = pytester.runpytest_subprocess(*selected)
    count = len(plan(["bidirectional.reverse_sequence"], ["tensorflow"], dtypes=["float32"]))
    skipped.assert_outcomes(skipped=count, deselected=len(plan(["bidirectional.reverse_sequence"])) - count)
    skipped.stdout.fnmatch_lines(["nothing was compared, *", "SKIPPED*framework tensorflow: *To install it: *"])
    assert skipped.ret == pytest.ExitCode.TESTS_FAILED
    required = pytester.runpytest_subprocess(*selected, "--parity-require", "tensorflow")
    assert required.ret == pytest.ExitCode.USAGE_ERROR
    required.stderr.fnmatch_lines(["ERROR: --parity-require: framework tensorflow: *"])


WRONG = {
    "--parity-seed=-1": "*ERROR: --parity-seed: got -1, expected a whole number of 0 or more",
    "--parity-jobs=0": "*ERROR: --parity-jobs: got 0, expected a whole number of 1 or more",
    **{
        f"--parity-timeout={value}": f"*ERROR: --parity-timeout: got {value}, expected a number of seconds above 0"
        for value in ("-1.0", "0.0", "nan", "inf")
    },
    **{
        f"--parity-shard={shard}": f"*ERROR: --parity-shard: got '{shard}', expected a number and how many there are,*"
        for shard in ("0/5", "6/5", "x", "")
    },
    "--parity-jobs=many": "*error: argument --parity-jobs: invalid int value: 'many'",
    "--parity-report=/dev/null/there": "*ERROR: --parity-report: got '/dev/null/there', expected a folder that can*",
    "--parity-replay=/dev/null": "*replay: got '/dev/null', which is no folder, expected a folder*",
}


@pytest.mark.parametrize("option", every_other(WRONG))
def test_a_wrong_option_is_named(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile(MATRIX)
    run = pytester.runpytest_subprocess("-k", "reverse_sequence-pytorch", option)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([WRONG[option]])
    assert "Traceback" not in run.stdout.str() + run.stderr.str()


@pytest.mark.parametrize("option", every_other(option for option in WRONG if "=/" not in option))
def test_a_wrong_option_is_named_in_a_project_without_our_tests(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile("def test_other(): pass")
    run = pytester.runpytest_subprocess(option)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([WRONG[option]])


WITHOUT_A_TASK = """
    import unittest
    import pytest

    def test_later(request):
        request.getfixturevalue({fixture!r})

    @pytest.mark.usefixtures({fixture!r})
    class TestOfUnittest(unittest.TestCase):
        def test_it(self):
            pass

    def test_doctest():
        '''
        >>> getfixture({fixture!r})
        '''
"""


@pytest.mark.parametrize("fixture", padding_parity_plugin.FIXTURES)
def test_a_fixture_that_is_no_argument_of_a_test_is_one_clear_failure(fixture: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WITHOUT_A_TASK.format(fixture=fixture))
    run = pytester.runpytest_subprocess("--doctest-modules", "-p", "no:cacheprovider")
    run.assert_outcomes(failed=2, errors=1, passed=1)
    run.stdout.fnmatch_lines([f"{fixture} has no task here: it must be an argument of the test function"])
    assert "AttributeError" not in run.stdout.str()


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
@pytest.mark.parametrize("processes", some(["0", "2"], {"2"}))
def test_one_process_publishes_on_github(
    processes: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check the one that writes the report, also where xdist has others run the tests."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(dedent(FEW) + dedent(BROKEN))
    run = pytester.runpytest_subprocess(*QUICK, "-n", processes)
    run.assert_outcomes(failed=1, passed=1, deselected=run.parseoutcomes().get("deselected", 0))
    errors = [line for line in run.stdout.lines if line.startswith("::error title=bidirectional.reverse_sequence ")]
    assert len(errors) == 1
    assert (pytester.path / "summary.md").read_text() == (pytester.path / "parity-pytest" / "report.md").read_text()


@needs_torch
def test_a_summary_that_cannot_be_written_is_a_warning_and_no_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "missing" / "summary.md"))
    pytester.makepyfile(MATRIX)
    pytester.makeconftest(FEW)
    run = pytester.runpytest_subprocess(*QUICK)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(["parity: the summary of the job could not be written to *: No such file or directory"])
    assert (pytester.path / "parity-pytest" / "report.md").exists()
    assert not (pytester.path / "parity-report").exists()  # that of `parity check` stays as it is


@full_run
@needs_torch
def test_a_recording_is_compared_with_and_named_in_the_header(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MATRIX)
    selected = ("--operation", "bidirectional.reverse_sequence", "--dtype", "float32", "--jobs", "1")
    pytester.run(sys.executable, "-m", "parity", "record", "--framework", "pytorch", *selected, "--output", "there")
    replay = ("--parity-jobs", "1", "--parity-replay", "there")
    run = pytester.runpytest_subprocess(*replay, "-k", "reverse_sequence-pytorch and float32 and agrees_with_recording")
    run.assert_outcomes(passed=1, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(["parity: compared with torch * on cpu, recorded in there"])
    replayed = report.read(pytester.path / "parity-pytest").environment.replayed
    assert replayed is not None
    assert replayed.framework == "pytorch"
    lacking = pytester.runpytest_subprocess(*replay, "-k", "reverse_sequence-pytorch and agrees_with_recording")
    assert lacking.ret == pytest.ExitCode.USAGE_ERROR
    lacking.stderr.fnmatch_lines(
        ["ERROR: replay: got a recording without bidirectional.reverse_sequence in float64, gather*"]
    )


STUB = """
    import pytest
    from msgspec.structs import replace
    from parity.checks import selection
    from parity.checks.check import Check
    checks = [
        Check("bidirectional.reverse_sequence", "pytorch", "gather", "float32", contract)
        for contract in ("matches_reference", "repeatable")
    ]
    selection.plan = lambda **_: checks
    def run(check):  # needs no framework
        status = {status!r} if check.contract == "matches_reference" else "passed"
        return [replace(check.result("eager", "features/ragged", status), compared=1)]
    Check.run = run
"""
SKIP = """
    def pytest_collection_modifyitems(items):
        for item in items:
            if {contract!r} in item.name:
                item.add_marker(pytest.mark.skip(reason="tried elsewhere"))
"""


class Run(NamedTuple):
    """A run of two checks: the status of one, how it ends, and what it prints."""

    ret: int
    line: str
    status: str = "passed"
    body: str = "pass"
    conftest: str = ""
    options: tuple[str, ...] = ()


NOTHING = "nothing was compared, which is a failure (0 expected failures, *"
RUNS = {
    "everything passes": Run(0, "2 checks agree; 2 results"),
    "one is skipped": Run(0, "1 check agrees, 1 skipped; 2 results", "skipped"),
    "all are skipped": Run(1, NOTHING, "skipped", options=("-k", "matches_reference")),
    "one is skipped by a mark": Run(0, "1 check agrees, 1 skipped; 2 results", conftest=SKIP.format(contract="repeat")),
    "all are skipped by marks": Run(1, NOTHING, conftest=SKIP.format(contract="reverse_sequence")),
    "the test does not look at a failure": Run(1, "1 of 2 checks failed; 2 results", "failed"),
    "the test fails": Run(1, "2 checks agree; 2 results", body="assert False"),
    "another plugin ends it": Run(1, "stopped after 1 of 2 checks: 1 check agrees; *", body="pytest.exit('enough', 0)"),
    "a user interrupts it": Run(2, "interrupted after 1 of 2 checks: *", body="raise KeyboardInterrupt"),
    "it only collects": Run(0, "", "failed", options=("--collect-only",)),
    "it only plans": Run(0, "", "failed", options=("--setup-plan",)),
    "nothing is selected": Run(5, "", "failed", options=("-k", "nothing")),
}


@pytest.mark.parametrize("what", every_other(RUNS))
def test_the_exit_status_is_that_of_the_report(what: str, pytester: pytest.Pytester) -> None:
    run = RUNS[what]
    pytester.makepyfile(f"import pytest\ndef test_contract(parity_results): {run.body}")
    pytester.makeconftest(STUB.format(status=run.status) + run.conftest)
    ended = pytester.runpytest_subprocess(*HERE, *run.options)
    assert ended.ret == run.ret
    assert (pytester.path / "parity-pytest").exists() == bool(run.line)
    ended.stdout.fnmatch_lines([run.line or "*"])
    says_why = "parity: failed: the run fails, although no test did" in ended.stdout.lines
    assert says_why == (run.ret == 1 and run.body != "assert False")


@pytest.mark.parametrize("options", [("--no-summary",), ("-p", "no:terminal"), ("-n", "2")])
def test_a_failure_that_no_test_reports_is_printed_in_any_case(
    options: tuple[str, ...], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_contract(parity_results): pass")
    pytester.makeconftest(STUB.format(status="failed"))
    run = pytester.runpytest_subprocess(*HERE, *options)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    (run.stdout if "-n" in options else run.stderr).fnmatch_lines(
        ["1 of 2 checks failed; 2 results", "parity: failed: *"]
    )


TWO_FIXTURES = """
    def test_mutant(parity_mutant, parity_trial):
        assert parity_mutant.status == "killed"
        assert parity_trial.status == "passed"
"""
STUBS = """
    from parity import divergences, mutants
    from parity.divergences import DIVERGENCES, entry, TrialTask
    from parity.mutants import MUTANTS, MutantTask, run
    name, trial = "masking.one_step_too_many", TrialTask("loss.denominator", "pytorch")
    mutants.plan = lambda: [MutantTask(name)]
    divergences.plan = lambda: [trial]
    MutantTask.run = lambda task: [run.mutant_result(MUTANTS[name], "killed")]
    TrialTask.run = lambda task: [entry.trial(DIVERGENCES[task.name], task.framework, "passed")]
"""


def test_xdist_reports_a_session_without_checks(pytester: pytest.Pytester) -> None:
    """Run a test of two tasks, whose id is not that of a check."""
    pytester.makepyfile(TWO_FIXTURES)
    pytester.makeconftest(STUBS)
    run = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    assert run.ret == 0
    run.stdout.fnmatch_lines(["1 divergence is as described; 1 mutant killed; 0 results"])
    finished = report.read(pytester.path / "parity-pytest")
    assert ([one.name for one in finished.mutants], [one.name for one in finished.divergences]) == (
        ["masking.one_step_too_many"],
        ["loss.denominator"],
    )


HEADERS = {"none": ((), 1), "quiet": (("-q",), 0), "without a header": (("--no-header",), 0)}
HEADERS |= {"an option": (("--parity-seed", "3"), 1), "no checks": (("test_other.py",), 0)}


@pytest.mark.parametrize("options", HEADERS)
def test_versions_and_seed_are_printed_once_if_there_are_checks(options: str, pytester: pytest.Pytester) -> None:
    given, count = HEADERS[options]
    pytester.makepyfile(test_it="def test_contract(parity_results): pass", test_other="def test_other(): pass")
    pytester.makeconftest(STUB.format(status="passed"))
    run = pytester.runpytest_subprocess("--collect-only", "-p", "no:cacheprovider", *given)
    assert sum(line.startswith("parity: parity ") for line in run.stdout.lines) == count


@pytest.mark.parametrize("way", ["option", "variable", "conftest"])
def test_the_plugin_can_be_named_where_none_loads_by_itself(
    way: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    if way == "variable":
        monkeypatch.setenv("PYTEST_PLUGINS", "padding_parity_plugin")
    named_there = "pytest_plugins = ['padding_parity_plugin']" if way == "conftest" else ""
    pytester.makeconftest(f"{dedent(STUB).format(status='passed')}\n{named_there}")
    pytester.makepyfile("def test_contract(parity_results): pass")
    named = ("-p", "padding_parity_plugin") if way == "option" else ()
    run = pytester.runpytest_subprocess(*named, "--parity-seed", "3", "--collect-only")
    run.stdout.fnmatch_lines(["parity: *; seed 3; *", "*test_contract?bidirectional.reverse_sequence-pytorch.gather-*"])


def test_help_can_be_printed_in_any_encoding() -> None:
    """Check the options, which `pytest --help` prints in every project, and fixtures, which `--fixtures` lists."""
    assert str(padding_parity_plugin.OPTIONS).isascii()
    assert (Path(padding_parity_plugin.__file__).read_text(encoding="utf-8")).isascii()


@pytest.mark.skipif(find_spec("fcntl") is None, reason="the system cannot lock a folder")
@pytest.mark.parametrize("processes", some(["0", "2"], {"2"}))
def test_a_second_run_into_a_folder_is_a_usage_error(processes: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_contract(parity_results): pass")
    pytester.makeconftest(STUB.format(status="passed"))
    with report.claim(pytester.path / "parity-pytest"):
        run = pytester.runpytest_subprocess(*HERE, "-n", processes)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["ERROR: --parity-report: got 'parity-pytest', to which a run is writing, expected *"])
    assert "Traceback" not in run.stdout.str() + run.stderr.str()
    assert not list((pytester.path / "parity-pytest").iterdir())
