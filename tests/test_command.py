"""The command line, as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.__main__ import main
from parity.caching import clear_caches
from parity.checks.check import Check, plan
from parity.checks.result import Result
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS

REVERSE = ["check", "--operation", "bidirectional.reverse_sequence", "--framework", "pytorch"]
QUICK = [*REVERSE, "--contract", "matches_reference", "--jobs", "1"]


def run(*arguments: str, before: str) -> subprocess.CompletedProcess[str]:
    """``parity`` in a process of its own, after a statement."""
    code = f"import sys; {before}; from parity.__main__ import main; sys.exit(main({list(arguments)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_check_that_holds_exits_with_0_and_writes_the_report(pytorch: str, tmp_path: Path, capsys: Any) -> None:
    assert main([*QUICK, "--output", str(tmp_path / "report")]) == 0
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"report.json", "report.md", "index.html"}
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report.current(record) == record
    assert {check["status"] for check in record["checks"]} == {"passed"}
    assert "bidirectional.reverse_sequence" in capsys.readouterr().out


def test_a_check_that_fails_exits_with_1_and_says_how_to_see_it_again(
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
    assert "again: parity check --operation bidirectional.reverse_sequence --framework pytorch --variant gather" in out
    assert "failed" in (tmp_path / "report.md").read_text()


def test_a_missing_framework_is_a_named_skip(pytorch: str, tmp_path: Path) -> None:
    done = run(
        *REVERSE[:3],
        "--jobs",
        "1",
        "--dtype",
        "float32",
        "--output",
        str(tmp_path),
        before="sys.modules['tensorflow'] = None",
    )
    assert done.returncode == 0, done.stderr
    checks = json.loads((tmp_path / "report.json").read_text())["checks"]
    skipped = [check for check in checks if check["status"] == "skipped"]
    assert {check["framework"] for check in skipped if check["contract"] != "frameworks_agree"} == {"tensorflow"}
    assert all("framework tensorflow" in check["reason"] for check in skipped)
    assert any(check["status"] == "passed" and check["framework"] == "pytorch" for check in checks)
    assert "skipped: pytorch, tensorflow: framework tensorflow" in done.stdout


def test_a_missing_framework_that_was_asked_for_is_a_failure(tmp_path: Path) -> None:
    done = run(
        "check", "--framework", "tensorflow", "--output", str(tmp_path), before="sys.modules['tensorflow'] = None"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("parity: failed: framework tensorflow: ")
    assert done.stderr.count("\n") == 1


def test_without_any_framework_nothing_was_compared_and_that_fails(tmp_path: Path) -> None:
    neither = "sys.modules['tensorflow'] = sys.modules['torch'] = None"
    done = run(*REVERSE[:3], "--jobs", "1", "--output", str(tmp_path), before=neither)
    assert done.returncode == 1
    assert "othing was compared" in done.stdout


def test_an_interrupted_run_leaves_the_report_of_what_it_finished(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third check is interrupted, as Ctrl-C would."""
    run_check, begun = Check.run, []

    def interrupted(check: Check) -> list[Result]:
        begun.append(check)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return run_check(check)

    monkeypatch.setattr(Check, "run", interrupted)
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert main([*REVERSE, "--jobs", "1", "--output", str(tmp_path)]) == 130
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert "interrupted" in capsys.readouterr().out
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["summary"]["interrupted"]
    assert len({check["contract"] for check in record["checks"]}) == 2


def test_an_interrupt_while_python_imports_is_one_line() -> None:
    interrupted = "import importlib.abc as i; F = type('F', (i.MetaPathFinder,), {'find_spec': staticmethod(find)})"
    find = "def find(name, *_):\n    if name == 'rich': raise KeyboardInterrupt\n"
    done = run("check", before=f"\n{find}\n{interrupted}; sys.meta_path.insert(0, F)")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "parity: interrupted before the first check\n"


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_a_terminated_run_with_workers_leaves_the_report_too(pytorch: str, tmp_path: Path) -> None:
    folder = tmp_path / "report"  # is there as soon as checks begin
    command = [
        sys.executable,
        "-m",
        "parity",
        "check",
        "--operation",
        "rnn.gru",
        "--jobs",
        "2",
        "--output",
        str(folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not folder.exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads((folder / "report.json").read_text())["summary"]["interrupted"]
    assert "interrupted" in out


def test_an_operation_is_described(capsys: Any) -> None:
    assert main(["describe", "rnn.lstm", "loss"]) == 0
    said = capsys.readouterr().out
    assert "w_in.1   (H, 4, H)  floats" in said
    assert "LSTM i, f, g, o" in said
    assert "loss.binary_cross_entropy" in said
    assert main(["describe"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in OPERATIONS)


def test_a_topic_is_all_that_stands_under_it(capsys: Any) -> None:
    assert main(["mutants", "--list", "pooling"]) == 0
    listed = capsys.readouterr().out
    assert {name for name in MUTANTS if name in listed} >= {name for name in MUTANTS if name.startswith("pooling.")}
    assert "rnn." not in listed
    checks = plan(["attention"], ["pytorch"], contracts=["repeatable"], dtypes=["float32"])
    assert [check.operation for check in checks] == ["attention.softmax", "attention.multi_head_attention"]


def test_what_can_be_said_once_is_not_said_twice(capsys: Any) -> None:
    with pytest.raises(SystemExit) as left:
        main(["check", "--mode", "eager", "--mode", "graph"])
    assert left.value.code == 2
    assert "--mode takes one value" in capsys.readouterr().err
