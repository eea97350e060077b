"""Run the command line as a user does."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from parity import report, training
from parity.__main__ import main
from parity.caching import clear_caches
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, Result
from parity.checks.selection import plan
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS
from parity.report import Report
from parity.training import OPTIMISERS, Training
from tests.factories import divergence, mutant, report_of, result, sweep

REVERSE = ["check", "--operation", "bidirectional.reverse_sequence", "--framework", "pytorch"]
QUICK = [*REVERSE, "--contract", "matches_reference", "--jobs", "1"]


def run(*arguments: str, before: str) -> subprocess.CompletedProcess[str]:
    """Run ``parity`` in a process of its own, after a statement."""
    code = f"import sys; {before}; from parity.__main__ import main; sys.exit(main({list(arguments)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_check_that_passes_exits_with_0_and_writes_the_report(pytorch: str, tmp_path: Path, capsys: Any) -> None:
    assert main([*QUICK, "--output", str(tmp_path / "report")]) == 0
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"report.json", "report.md", "index.html"}
    assert {result.status for result in report.read(tmp_path / "report").results} == {PASSED}
    assert "bidirectional.reverse_sequence" in capsys.readouterr().out


def test_a_check_that_fails_exits_with_1_and_prints_how_to_reproduce_it(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.pytorch import bidirectional

    clear_caches()
    monkeypatch.setattr(bidirectional, "reverse_sequence", lambda x, lengths, variant: {"y": x.flip(1)})
    try:
        assert main([*QUICK, "--output", str(tmp_path)]) == 1
    finally:
        clear_caches()
    out = capsys.readouterr().out
    assert (
        "reproduce: parity check --operation bidirectional.reverse_sequence --framework pytorch --variant gather" in out
    )
    assert "failed" in (tmp_path / "report.md").read_text()


def test_a_missing_framework_is_a_skip_with_its_name(pytorch: str, tmp_path: Path) -> None:
    quick = ("--jobs", "1", "--dtype", "float32", "--output", str(tmp_path))
    process = run(*REVERSE[:3], *quick, before="sys.modules['tensorflow'] = None")
    assert process.returncode == 0, process.stderr
    results = report.read(tmp_path).results
    skipped = [result for result in results if result.status == SKIPPED]
    alone = [result for result in skipped if result.contract != "frameworks_agree"]
    assert {result.framework for result in alone} == {"tensorflow"}
    assert all("framework tensorflow" in result.reason for result in skipped)
    assert any(result.status == PASSED and result.framework == "pytorch" for result in results)
    assert "skipped: pytorch, tensorflow: framework tensorflow" in process.stdout


def test_a_missing_framework_that_was_selected_is_a_failure(tmp_path: Path) -> None:
    missing = "sys.modules['tensorflow'] = None"
    process = run("check", "--framework", "tensorflow", "--output", str(tmp_path), before=missing)
    assert process.returncode == 1
    assert process.stderr.startswith("parity: failed: framework tensorflow: ")
    assert process.stderr.count("\n") == 1


def test_a_run_without_any_framework_compares_nothing_and_fails(tmp_path: Path) -> None:
    neither = "sys.modules['tensorflow'] = sys.modules['torch'] = None"
    process = run(*REVERSE[:3], "--jobs", "1", "--output", str(tmp_path), before=neither)
    assert process.returncode == 1
    assert "othing was compared" in process.stdout


def test_an_interrupted_run_leaves_the_report_of_its_finished_checks(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupt the third check, as Ctrl-C does."""
    run_check, begun = Check.run, []

    def interrupted(check: Check) -> list[Result]:
        begun.append(check)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return run_check(check)

    monkeypatch.setattr(Check, "run", interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main([*REVERSE, "--jobs", "1", "--output", str(tmp_path)]) == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert "interrupted" in capsys.readouterr().out
    finished = report.read(tmp_path)
    assert finished.summary.interrupted
    assert len({result.contract for result in finished.results}) == 2


def test_an_interrupt_during_imports_is_one_line() -> None:
    find = "def find(name, *_):\n    if name == 'rich': raise KeyboardInterrupt\n"
    finder = "import importlib.abc as i; F = type('F', (i.MetaPathFinder,), {'find_spec': staticmethod(find)})"
    process = run("check", before=f"\n{find}\n{finder}; sys.meta_path.insert(0, F)")
    assert (process.returncode, process.stdout) == (130, "")
    assert process.stderr == "parity: interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_a_terminated_run_with_workers_leaves_a_report(pytorch: str, tmp_path: Path) -> None:
    folder = tmp_path / "report"  # is created when checks begin
    selection = ["--operation", "rnn.gru", "--jobs", "2", "--output", str(folder)]
    command = [sys.executable, "-m", "parity", "check", *selection]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not folder.exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert report.read(folder).summary.interrupted
    assert "interrupted" in out


def test_training_is_checked_where_its_contract_is_named(
    pytorch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "run", lambda run: [run.result(PASSED)])  # the real runs take long
    selection = ["--contract", "trains_alike", "--operation", "model.tagger", "--framework", "pytorch"]
    assert main(["check", *selection, "--jobs", "1", "--output", str(tmp_path)]) == 1  # that compared nothing
    results = report.read(tmp_path).results
    assert {(result.operation, result.framework, result.contract) for result in results} == {
        ("model.tagger", "pytorch", "trains_alike")
    }
    assert {result.case.partition("/")[2] for result in results} == set(OPTIMISERS)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_training_run_that_fails_fails_the_command(
    jobs: str, pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Training("model.vowel_speaker", "sgd", "pytorch", steps=1, seed=0)
    monkeypatch.setattr(training, "plan", lambda **_: [short])
    monkeypatch.setattr(Training, "run", lambda run: [run.result(FAILED, "raised", "raised ValueError: no")])
    command = ["check", "--contract", "trains_alike", "--framework", "pytorch", "--output", str(tmp_path)]
    if jobs == "1":
        assert main([*command, "--jobs", jobs]) == 1
        assert "breaks trains_alike: raised ValueError: no" in capsys.readouterr().out
    else:  # the worker process has the real one
        assert main([*command, "--jobs", jobs]) == 0
        assert "1 check agrees" in capsys.readouterr().out


def test_buffers_are_described_as_such(capsys: Any) -> None:
    assert main(["describe", "normalisation.batch_norm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    described = {line.split()[1]: line for line in lines if line.strip().startswith("takes")}
    assert {name for name, line in described.items() if "a buffer: it has no gradient" in line} == {
        "running_mean",
        "running_variance",
    }


def test_an_operation_is_described(capsys: Any) -> None:
    assert main(["describe", "rnn.lstm", "loss"]) == 0
    out = capsys.readouterr().out
    assert "w_in.1   (H, 4, H)  floats" in out
    assert "LSTM i, f, g, o" in out
    assert "loss.binary_cross_entropy" in out
    assert main(["describe"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in OPERATIONS)


def test_arguments_are_described_in_the_order_of_the_signature(capsys: Any) -> None:
    assert main(["describe", *OPERATIONS]) == 0
    described = re.findall(r"^configuration (\w+): (.*)((?:\n.+)+)", capsys.readouterr().out, re.MULTILINE)
    configurations = [(row, config) for row in OPERATIONS.values() for config in row.configurations]
    for (row, config), (name, call, table) in zip(configurations, described, strict=True):
        function = getattr(import_module(f"parity.reference.{row.topic}"), row.function)
        arrays = {*config.arguments} - {*config.options}
        expected = [name for name in inspect.signature(function).parameters if name in arrays]
        taken = dict.fromkeys(re.findall(r"^takes +(\w+)", table, re.MULTILINE))
        assert (name, list(taken), len(expected)) == (config.name, expected, len(arrays)), row.name
        assert call.split(", ")[: len(expected)] == expected, row.name


def test_a_topic_selects_all_of_its_names(capsys: Any) -> None:
    assert main(["mutants", "--list", "pooling"]) == 0
    listed = capsys.readouterr().out
    assert {name for name in MUTANTS if name in listed} >= {name for name in MUTANTS if name.startswith("pooling.")}
    assert "rnn." not in listed
    checks = plan(["attention"], ["pytorch"], contracts=["repeatable"], dtypes=["float32"])
    assert {check.operation for check in checks} == {"attention.softmax", "attention.multi_head_attention"}


def test_a_divergence_is_explained_at_once(without_frameworks: None, capsys: Any) -> None:
    assert main(["divergences", "loss.denominator"]) == 0
    out = capsys.readouterr().out
    assert "gave ignore_index 1.4" in out
    assert "observed" not in out


def test_a_divergence_is_run_with_its_values_of_today(pytorch: str, capsys: Any) -> None:
    assert main(["divergences", "loss.denominator", "--run"]) == 0
    out = capsys.readouterr().out
    assert "observed" in out
    assert "instead" in out


def test_an_option_with_one_value_is_rejected_twice(capsys: Any) -> None:
    assert main(["check", "--mode", "eager", "--mode", "graph"]) == 2
    assert "--mode takes one value" in capsys.readouterr().err


OUTCOMES: dict[str, tuple[Report, str]] = {  # what a report has, and words of its verdict if that is a failure
    "a result that passed": (report_of(result(PASSED)), ""),
    "a failure": (report_of(result(FAILED)), "1 of 1 check failed"),
    "skips only": (report_of(result(SKIPPED)), "nothing was compared, which is a failure"),
    "less than planned": (report_of(result(PASSED), planned=2), "stopped after 1 of 2 checks"),
    "an interrupt": (report_of(result(PASSED), planned=2, interrupted=True), "interrupted after 1 of 2 checks"),
    "nothing": (report_of(planned=0, checked=0), "nothing was compared, which is a failure"),
    "a stale divergence": (report_of(result(PASSED), divergences=[divergence(status=FAILED)]), "not as described"),
    "skipped divergences": (
        report_of(planned=0, checked=0, divergences=[divergence(status=SKIPPED)]),
        "nothing was compared",
    ),
    "a mutant that survived": (report_of(result(PASSED), mutants=[mutant("survived")]), "1 of 1 mutant survived"),
    "a stale mutant": (report_of(result(PASSED), mutants=[mutant("stale")]), "1 of 1 mutant survived"),
    "skipped mutants": (report_of(planned=0, checked=0, mutants=[mutant("skipped")]), "nothing was compared"),
    "a false alarm": (report_of(result(PASSED), sweep=sweep(result(FAILED))), "1 false alarm in 1 random check"),
    "no false alarm": (report_of(result(PASSED), sweep=sweep()), ""),
}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_exit_status_is_that_of_the_printed_verdict(kind: str, tmp_path: Path, capsys: Any) -> None:
    made, words = OUTCOMES[kind]
    report.write(made, tmp_path)
    assert main(["report", str(tmp_path)]) == int(report.failed(made)) == int(bool(words))
    verdict = capsys.readouterr().out.splitlines()[0]
    assert verdict == report.verdict(made)
    assert words in verdict


def test_a_recording_with_unexpected_errors_fails_and_says_so(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.pytorch import bidirectional

    def raises(*_: Any, **__: Any) -> None:
        raise ValueError("\x1b[31mno")

    clear_caches()
    monkeypatch.setattr(bidirectional, "reverse_sequence", raises)
    selection = ["--operation", "bidirectional.reverse_sequence", "--dtype", "float32", "--jobs", "1"]
    try:
        assert main(["record", "--framework", "pytorch", *selection, "--output", str(tmp_path / "there")]) == 1
    finally:
        clear_caches()
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("failed: ")
    assert all(line.isprintable() for line in out.split("\n"))
