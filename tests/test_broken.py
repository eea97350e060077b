"""Tell a framework that is absent, which is skipped, from one that is installed and does not load, which fails."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parity import FrameworkUnavailable, frameworks, report
from parity.__main__ import main
from parity.checks.check import Check
from parity.checks.result import FAILED, SKIPPED
from parity.checks.sweep import SweepTask
from parity.cli.packages import NEEDED
from parity.divergences import DIVERGENCES, try_out
from parity.frameworks import loading
from parity.mutants import MutantTask
from parity.throughput.advice import Layer
from parity.training import Training
from tests.full_runs import every_other

GATHER = ["check", "--operation", "bidirectional.reverse_sequence", "--variant", "gather", "--jobs", "1"]
GATHER += ["--contract", "repeatable", "--contract", "matches_reference"]

BROKEN = {
    "lacks a library": (
        "raise OSError('libcudart.so.12: cannot open shared object file')",
        "OSError: libcudart.so.12: cannot open shared object file",
    ),
    "has no memory": ("raise MemoryError", "MemoryError:"),
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "skips": ("import pytest; pytest.skip('\x1b[31mno GPU', allow_module_level=True)", "Skipped: no GPU"),
    "lacks a part": ("import no_such_part", "ModuleNotFoundError: No module named 'no_such_part'. To install it: pip "),
    "is something else": ("", "AttributeError: module 'torch' has no attribute "),
}


@pytest.mark.parametrize("kind", every_other(BROKEN))
def test_a_broken_framework_fails_every_check_and_is_named_once(kind: str, tmp_path: Path) -> None:
    code, reason = BROKEN[kind]
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(code)
    folder = tmp_path / "report"
    process = subprocess.run(
        [sys.executable, "-m", "parity", *GATHER, "--output", str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(report.__file__).parents[2])])},
        capture_output=True,
        text=True,
        check=False,
    )
    results = report.read(folder).results
    assert (process.returncode, process.stderr.strip()) == (1, "")
    assert process.stdout.count(f"framework pytorch: {reason}") == 1
    assert f"{len(results)} of {len(results)} checks failed" in process.stdout
    assert {result.status for result in results} == {FAILED}
    assert all(f"framework pytorch: {reason}" in result.reason for result in results)


UNUSABLE = {
    "raises": (r"raise RuntimeError('\x1b[31mno\nlibrary')", "RuntimeError: no library"),
    "lacks a library": ("raise ImportError('no library')", "ImportError: no library"),
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "is no Python": ("def (", "SyntaxError: invalid syntax"),
    "is something else": ("", ""),
}


@pytest.mark.parametrize(
    ("package", "kind"), [*((package, "raises") for package in NEEDED), *(("msgspec", kind) for kind in UNUSABLE)]
)
def test_a_package_that_every_command_needs_is_named_in_one_line(package: str, kind: str, tmp_path: Path) -> None:
    package = package.partition(".")[0]
    code, reason = UNUSABLE[kind]
    (tmp_path / f"{package}.py").write_text(code)
    root = str(Path(report.__file__).parents[2])
    process = subprocess.run(
        [sys.executable, "-m", "parity", "describe"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (2, "", 1)
    assert process.stderr.startswith(f"parity: {package} cannot be imported: {reason}")


def test_every_dependency_is_needed() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split("[>=]", requirement)[0].replace("-", "_") for requirement in project["dependencies"]}
    assert {module.partition(".")[0] for module in NEEDED} == declared


class Blocker:
    """A finder that fails, as those of some tools do."""

    def find_spec(self, *_: object) -> None:
        raise RuntimeError("do not look for it")


def in_a_folder(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "framework").mkdir()


def in_a_file(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "framework.py").write_text("raise OSError")


def as_none(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setitem(sys.modules, "framework", None)  # type: ignore[arg-type]


def made_up(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setitem(sys.modules, "framework", ModuleType("framework"))


def blocked(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(sys, "meta_path", [Blocker(), *sys.meta_path])


ABSENT = {in_a_folder: True, in_a_file: False, as_none: True, made_up: False, blocked: False, tempfile.mkdtemp: True}


@pytest.mark.parametrize("place", ABSENT, ids=lambda place: place.__name__)
def test_a_framework_is_absent_only_if_there_is_no_package(
    place: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "EXTRAS", {"pytorch": "framework"})
    monkeypatch.syspath_prepend(tmp_path)
    if place is not tempfile.mkdtemp:
        place(monkeypatch, tmp_path)
    importlib.invalidate_caches()
    assert frameworks.is_absent("pytorch") == ABSENT[place]


@pytest.fixture(params=["absent", "broken"])
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make both frameworks unavailable, and say how."""
    runtime = loading._runtime

    def unavailable(framework: str) -> object:
        if framework == "reference":
            return runtime(framework)
        return FrameworkUnavailable(f"framework {framework}: {request.param}")

    monkeypatch.setattr(loading, "_runtime", unavailable)
    monkeypatch.setattr(loading, "is_absent", lambda _: request.param == "absent")
    monkeypatch.setattr(frameworks, "is_absent", lambda _: request.param == "absent")
    return str(request.param)


DENOMINATOR = DIVERGENCES["loss.denominator"]
LSTM = Layer("rnn.lstm", "one_layer", features=2, hidden=3)
TASKS: dict[str, tuple[Callable[[], Any], str, str]] = {  # what comes of it where the framework is absent, and broken
    "check": (lambda: Check("rnn.lstm", "pytorch", "packed", "float32", "repeatable").run(), SKIPPED, FAILED),
    "pair": (lambda: Check("rnn.lstm", "pytorch", "packed", "float32", "frameworks_agree").run(), SKIPPED, FAILED),
    "training": (lambda: Training("model.tagger", "sgd", "pytorch", steps=1).run(), SKIPPED, FAILED),
    "divergence": (lambda: [try_out(DENOMINATOR, "pytorch")], SKIPPED, FAILED),
    "mutant": (lambda: MutantTask("rnn.lengths_short_by_one").run(), SKIPPED, "survived"),
}


@pytest.mark.parametrize("task", TASKS)
def test_whatever_needs_a_framework_skips_if_it_is_absent_and_fails_if_it_is_broken(task: str, without: str) -> None:
    run, *statuses = TASKS[task]
    (result,) = run()
    assert result.status == statuses[without == "broken"]
    assert without in result.reason


def test_a_sweep_and_a_benchmark_leave_out_only_an_absent_framework(without: str) -> None:
    tallies = SweepTask("rnn.gru", "float32", 0, 2).run()
    assert [len(tally.failed) for tally in tallies] == ([] if without == "absent" else [1, 1])
    if without == "absent":
        assert LSTM.candidates() == []
    else:
        with pytest.raises(FrameworkUnavailable, match=r"framework \w+: broken"):
            LSTM.candidates()


NOTHING = {
    "divergences --all": "nothing was run, which is a failure",
    "sweep --operation rnn.gru --dtype float32 --seeds 1 --jobs 1": "nothing was compared, which is a failure",
    "mutants rnn.lengths_short_by_one --jobs 1": "0 of 0 mutants killed, 1 skipped",
}


@pytest.mark.parametrize("command", NOTHING)
def test_a_command_that_ran_nothing_fails_and_says_so(
    command: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "_runtime", lambda name: FrameworkUnavailable(f"framework {name}: not installed"))
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    assert main(command.split()) == 1
    assert NOTHING[command] in capsys.readouterr().out


@pytest.mark.parametrize("command", NOTHING)
def test_a_reason_is_printed_once_for_all_that_a_broken_framework_fails(
    command: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "_runtime", lambda _: FrameworkUnavailable("framework: it is broken"))
    monkeypatch.setattr(loading, "is_absent", lambda _: False)
    assert main(command.split()) == 1
    assert capsys.readouterr().out.count("it is broken") == 1


REQUIRED = ["check", "mutants", "sweep", "divergences"]


@pytest.mark.parametrize("command", REQUIRED)
def test_a_required_framework_that_does_not_load_fails_the_command_at_once(
    command: str, without: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "--require", "tensorflow, pytorch"]) == 1
    both = f"framework tensorflow: {without}; framework pytorch: {without}"
    assert capsys.readouterr().err == f"parity: failed: require: {both}\n"
    assert main([command, "--require", "pytroch"]) == 2
    assert capsys.readouterr().err.startswith("parity: error: require: got 'pytroch', expected 'pytorch'")
    assert list(tmp_path.iterdir()) == []


def test_a_framework_that_failed_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail quickly, and with the first reason: half of it is loaded now, and would fail differently."""
    tried: list[str] = []

    def fails(name: str) -> None:
        tried.append(name)
        raise OSError(f"attempt {len(tried)}")

    loading._runtime.cache_clear()
    monkeypatch.setattr(importlib, "import_module", fails)
    try:
        reasons = {frameworks.missing("pytorch") for _ in range(3)}
    finally:
        loading._runtime.cache_clear()
    assert reasons == {"framework pytorch: OSError: attempt 1"}


def test_a_framework_loads_without_a_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise FileNotFoundError("No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    with loading._quiet():
        loaded = loading._runtime.__wrapped__("reference")
    assert isinstance(loaded, ModuleType)
