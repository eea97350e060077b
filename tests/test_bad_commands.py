"""Report wrong commands, wrong options and missing frameworks in one line."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import padding_parity_plugin
from parity import check_function, frameworks, observe, report, sample_case, training
from parity.__main__ import main
from parity.checks.selection import plan
from parity.cli.parser import COMMANDS as COMMANDS_OF_THE_PROGRAM
from parity.errors import FrameworkUnavailable, shown
from parity.frameworks import loading
from tests.factories import small_report

HELP = "--help lists what it takes"
WHOLE = "expected a whole number of at most 15 digits"
NINES = "9" * 20
COMMANDS: dict[str, str | list[str]] = {
    "argument COMMAND: invalid choice: 'chekc' (choose from ": "chekc",
    f"unrecognized arguments: --operatoin; parity check {HELP}": "check --operatoin rnn.lstm",
    f"argument --operation: expected one argument; parity check {HELP}": "check --operation",
    "operation: got 'rnn.ltsm', expected 'rnn.lstm'": "check --operation rnn.ltsm",
    "framework: got 'tensorfolw', expected 'tensorflow'": "check --framework tensorfolw",
    "variant: got 'pakced', expected 'packed'": "check --variant pakced",
    "dtype: got 'float23', expected 'float32'": "check --dtype float32 --dtype float23",
    "contract: got 'ignore_padding', expected 'ignores_padding'": "check --contract ignore_padding",
    "selection: got no check at all, expected one of the contracts that the chosen operations promise": (
        "check --operation loss.cross_entropy --contract independent_of_batchmates"
    ),
    "selection: got no check at all, expected mode 'xla' in a full run: --full": "check --mode xla --operation loss",
    "selection: got no check at all, expected one of the contracts that are tried in float16: matches_reference": (
        "check --dtype float16 --contract frameworks_agree"
    ),
    "selection: got nothing to train, expected a model, in its first variant: model.": (
        "check --contract trains_alike --operation rnn"
    ),
    "selection: got nothing to train, expected a model,": "check --contract trains_alike --variant time_major",
    "selection: got nothing to train, expected ": (
        "check --contract trains_alike --contract repeatable --operation rnn.gru"
    ),
    "variant: got 'paddde', expected 'padded'": "check --contract trains_alike --variant paddde",
    "dtype: got float64, expected float32, in which models are trained for trains_alike": (
        "check --contract trains_alike --dtype float64"
    ),
    "dtype: got float64 and float16, expected float32, in which": (
        "check --contract trains_alike --contract repeatable --dtype float64 --dtype float16"
    ),
    "contract: got 'trains_alike' with --mode, expected no --mode: training has its own cases": (
        "check --contract trains_alike --mode eager"
    ),
    "operation: got 'model.tager', expected 'model.tagger'": "check --contract trains_alike --operation model.tager",
    "framework: got 'pytroch', expected 'pytorch'": "check --contract trains_alike --framework pytroch",
    "dtype: got 'float46', expected 'float64'": "check --contract trains_alike --dtype float46",
    "lengths: got '3,0,1', expected lengths, a colon and T, as in": "check --lengths 3,0,1",
    "seed: got -1, expected a whole number of 0 or more": "check --seed -1",
    f"argument --seed: got 'x', {WHOLE}; parity check {HELP}": "check --seed x",
    f"argument --seed: got '1_000', {WHOLE}; parity check {HELP}": "check --seed 1_000",
    f"argument --seed: got '+3', {WHOLE}; parity check {HELP}": "check --seed +3",
    f"argument --seed: got '٣', {WHOLE}; parity check {HELP}": "check --seed ٣",
    f"argument --seed: got ' 3 ', {WHOLE}; parity check {HELP}": ["check", "--seed", " 3 "],
    f"argument --seed: got '{NINES}', {WHOLE}; parity check {HELP}": f"check --seed {NINES}",
    f"argument --jobs: got '{'9' * 77} …, {WHOLE}; parity check {HELP}": f"check --jobs {'9' * 5000}",
    f"argument --hidden: got '{'9' * 77} …, {WHOLE}; parity advise {HELP}": f"advise --hidden {'9' * 5000}",
    f"--seed takes one value, and no other with it; parity check {HELP}": "check --seed 0 --seed 0",
    f"--output takes one value, and no other with it; parity check {HELP}": "check --output= --jobs 1",
    f"--jobs takes one value, and no other with it; parity sweep {HELP}": "sweep --jobs=1 --jobs 2",
    f"--benchmarks takes one value, and no other with it; parity report {HELP}": "report x --benchmarks=",
    f"--device takes one value, and no other with it; parity record {HELP}": "record --device cpu --device cuda",
    f"--hidden takes one value, and no other with it; parity advise {HELP}": "advise --hidden 3 --hidden 4",
    "jobs: got 0, expected a whole number of 1 or more": "check --jobs 0",
    "output: got '/dev/null/there', expected a folder that can be written (": "check --output /dev/null/there",
    f"argument --full: ignored explicit argument 'yes'; parity check {HELP}": "check --full=yes",
    f"the following arguments are required: report; parity report {HELP}": "report",
    "report: got 'nowhere.json', expected a report.json written by parity (": "report nowhere.json",
    "report: got '.', expected a report.json written by parity (": "report .",
    **{
        f"shard: got '{shard}', expected a number and how many there are, such as": f"check --shard {shard}"
        for shard in ("0/5", "6/5", "x", "1/0", "2", "1/2/3", "٣/5", "+1/2", "1/99999")
    },
    f"--shard takes one value, and no other with it; parity check {HELP}": "check --shard 1/2 --shard 2/2",
    "durations: got -1, expected a whole number of 0 or more": "check --durations -1",
    f"argument --durations: got 'x', {WHOLE}; parity check {HELP}": "check --durations x",
    f"the following arguments are required: DIR; parity merge {HELP}": "merge",
    "report: got 'nowhere', expected a report.json written by parity (": "merge nowhere",
    f"unrecognized arguments: b.json; parity report {HELP}": "report a.json b.json",
    f"the following arguments are required: OLD, NEW; parity diff {HELP}": "diff",
    f"the following arguments are required: NEW; parity diff {HELP}": "diff .",
    f"unrecognized arguments: c.json; parity diff {HELP}": "diff a.json b.json c.json",
    f"argument --markdown: ignored explicit argument 'yes'; parity diff {HELP}": "diff --markdown=yes a.json b.json",
    "OLD: got 'nowhere.json', expected a report.json written by parity (": "diff nowhere.json .",
    "divergence: got 'loss.denominatro', expected 'loss.denominator'": "divergences loss.denominatro",
    f"unrecognized arguments: --everything; parity divergences {HELP}": "divergences --everything",
    "seeds: got 0, expected a whole number from 1 to 100000": "sweep --seeds 0",
    "seeds: got 1000000, expected a whole number from 1 to 100000": "sweep --seeds 1000000",
    f"argument --seeds: got '1e3', {WHOLE}; parity sweep {HELP}": "sweep --seeds 1e3",
    "dtype: got 'double', expected one of: float32, ": "sweep --dtype double",
    "mutant: got 'rnn.last_setp', expected ": "mutants rnn.last_setp",
    "lengths: got '3;4', expected ": "check --lengths 3;4",
    "device: got 'gpu', expected ": "check --device gpu",
    "one of the arguments --lengths --lognormal --distribution is required; parity advise --help": "advise",
    "argument --distribution: not allowed with argument --lengths": "advise --lengths a --distribution b",
    f"argument --lognormal: expected 2 arguments; parity advise {HELP}": "advise --lognormal 3",
    f"argument --lognormal: got 'long', expected a number; parity advise {HELP}": "advise --lognormal long 1",
    f"argument --lognormal: got 'nan', expected a number; parity advise {HELP}": "advise --lognormal nan inf",
    f"argument --lognormal: got 'inf', expected a number; parity advise {HELP}": "advise --lognormal 3 inf",
    "lognormal: got inf 1, expected a median above 0 and a sigma of 0 or more": "advise --lognormal 1e999 1",
    "lognormal: got -3 1, expected a median above 0 and a sigma of 0 or more": "advise --lognormal -3 1",
    "distribution: got 'lognromal', expected 'lognormal'": "advise --distribution lognromal",
    "distribution: got 'all_empty', expected one with real steps": "advise --distribution all_empty",
    "lengths: got 'nowhere', expected a text file of whole numbers (": "advise --lengths nowhere",
    "cell: got 'lstn', expected 'lstm'": "advise --distribution uniform --cell lstn",
    "phase: got 'sideways', expected one of: forward, train": "advise --distribution uniform --phase sideways",
    "hidden: got 0, expected a whole number from 1 to 100000": "advise --distribution uniform --hidden 0",
    "features: got -2, expected a whole number from 1 to 100000": "advise --distribution uniform --features -2",
    "batch: got 1000000, expected a whole number from 1 to 100000": "advise --distribution uniform --batch 1000000",
    "steps: got 0, expected a whole number from 1 to 100000": "advise --distribution uniform --steps 0",
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit status of a command, and what it wrote to stderr."""
    try:
        status = main(arguments)
    except SystemExit as exit_:  # of argparse
        status = int(str(exit_.code))
    return status, capsys.readouterr().err


@pytest.mark.parametrize("line", COMMANDS)
def test_a_wrong_command_exits_with_2_and_one_line(
    line: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = COMMANDS[line]
    status, err = run(capsys, *(command if isinstance(command, list) else command.split()))
    assert err.startswith(f"parity: error: {line}")
    assert (status, err.count("\n")) == (2, 1)


def test_a_lack_of_memory_is_reported_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(_: object) -> int:
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr("parity.cli.report.run", too_large)
    assert run(capsys, "report", "x") == (1, "parity: failed: not enough memory: Unable to allocate 7 TiB\n")


NUMBERS = "expected whole numbers of at most 18 digits, separated by white space or commas"
LIMITS = "expected lengths from 0 to 100000, one of them above 0"
NOT_LENGTHS = {
    b"": f" 'lengths': got '', {NUMBERS}",
    b"0 0": f" 'lengths': got 2 numbers, from 0 to 0, {LIMITS}",
    b"3 -1": f" 'lengths': got '-1', {NUMBERS}",
    b"3,,1": f" 'lengths': got '', {NUMBERS}",
    b"3, 4,": f" 'lengths': got '', {NUMBERS}",
    b"1_000": f" 'lengths': got '1_000', {NUMBERS}",
    "3 ٣".encode(): f" 'lengths': got '٣', {NUMBERS}",
    b"9" * 18: f" 'lengths': got 1 numbers, from 999999999999999999 to 999999999999999999, {LIMITS}",
    b"1.5": f" 'lengths': got '1.5', {NUMBERS}",
    b"9" * 5000: f" 'lengths': got '{'9' * 77} …, {NUMBERS}",
    b"\xff": ": got 'lengths', expected a text file of whole numbers ('utf-8' codec can't decode byte 0xff",
    b" " * (2**22 + 1): ": got 'lengths', expected a text file of whole numbers (more than 4194304 bytes)",
}


@pytest.mark.parametrize("content", NOT_LENGTHS, ids=lambda content: content[:20])
def test_a_file_without_lengths_is_rejected_in_one_line(
    content: bytes, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lengths").write_bytes(content)
    status, err = run(capsys, "advise", "--lengths", "lengths")
    assert err.startswith(f"parity: error: lengths{NOT_LENGTHS[content]}")
    assert (status, err.count("\n")) == (2, 1)


LONG = "x" * 5000
PATHS = {  # no file can be read there, and no folder written -> what the system says
    LONG: "File name too long",
    f"{'x/' * 2500}y": "File name too long",
    "file/below": "Not a directory",
    "loop": "Too many levels of symbolic links",
    "nul\0": "embedded null byte",
    "fifo": "not a regular file",
    "/dev/zero": "not a regular file",
    "/proc/self/mem": "Input/output error",
    "folder": "No such file or directory",
    "half \udc80": "No such file or directory",
}
READING = {  # argument -> command
    "report": ["report", "{}"],
    "OLD": ["diff", "{}", "good"],
    "NEW": ["diff", "good", "{}"],
    "benchmarks": ["report", "good", "--benchmarks", "{}"],
    "lengths": ["advise", "--lengths", "{}"],
}


@pytest.fixture
def odd_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with a report and everything that `PATHS` names."""
    monkeypatch.chdir(tmp_path)
    report.write(small_report(), "good")
    Path("file").touch()
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    os.mkfifo("fifo")


@pytest.mark.skipif(sys.platform != "linux", reason="the system's messages are those of Linux")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path[:12]!r}")
@pytest.mark.parametrize("argument", READING)
def test_a_path_that_cannot_be_read_is_named_in_one_line(
    argument: str, path: str, odd_paths: None, capsys: pytest.CaptureFixture[str]
) -> None:
    status, err = run(capsys, *(word.format(path) for word in READING[argument]))
    assert err.startswith(f"parity: error: {argument}: got {shown(path)}, expected ")
    assert (status, err.count("\n"), err.isascii() or "…" in err, len(err) < 250) == (2, 1, True, True)
    assert PATHS[path] in err or path == "folder"


def denied(*_: object, **__: object) -> NoReturn:
    raise PermissionError(errno.EACCES, "Permission denied", "somewhere")


@pytest.mark.parametrize("argument", READING)
def test_a_file_without_permission_is_named_in_one_line(
    argument: str, odd_paths: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deny every file of that name: tests may run as root, whom no permission stops."""
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: denied() if str(path) == "file" else real(path, *rest))
    status, err = run(capsys, *(word.format("file") for word in READING[argument]))
    assert err.startswith(f"parity: error: {argument}: got 'file', expected ")
    assert (status, err.count("\n"), "(Permission denied)" in err) == (2, 1, True)


WRITING = {
    "check": ["check", "--operation", "rnn.gru", "--contract", "repeatable", "--jobs", "1", "--output"],
    "sweep": ["sweep", "--operation", "rnn.gru", "--seeds", "1", "--jobs", "1", "--output"],
    "mutants": ["mutants", "rnn.lengths_short_by_one", "--jobs", "1", "--output"],
    "report": ["report", "good", "--output"],
}


@pytest.mark.parametrize("path", [path for path in PATHS if path not in ("folder", "half \udc80")])
@pytest.mark.parametrize("command", WRITING)
def test_a_folder_that_cannot_be_written_is_named_in_one_line(
    command: str, path: str, odd_paths: None, capsys: pytest.CaptureFixture[str], without_frameworks: None
) -> None:
    status, err = run(capsys, *WRITING[command], path)
    assert err.startswith(f"parity: error: output: got {shown(path)}")
    assert (status, err.count("\n"), len(err) < 250) == (2, 1, True)


def test_a_report_is_written_beside_the_file_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check that a file of another name, beside which another report may be, is no reason to replace that one."""
    monkeypatch.chdir(tmp_path)
    files = report.write(small_report(), "runs")
    files[0].with_name("monday.json").write_bytes(files[0].read_bytes())
    for source, folder in (("runs/report.json", "runs"), ("runs", "runs"), ("runs/monday.json", report.FOLDER)):
        assert run(capsys, "report", source) == (1, "")
        assert {file.parent.name for file in tmp_path.rglob("index.html")} == {"runs", folder}


def test_every_option_has_a_help_and_a_plain_name() -> None:
    for command in COMMANDS_OF_THE_PROGRAM:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"parity.cli.{command}").add_options(parser)
        for action in parser._actions:
            assert action.help, (command, action.dest)
            for name in action.metavar if isinstance(action.metavar, tuple) else (action.metavar or action.dest,):
                assert re.fullmatch(r"\w+(,…)?", name), (command, name)


OF_PYTEST = {
    "--parity-seed: got -1, expected a whole number of 0 or more": {"--parity-seed": -1},
    "--parity-jobs: got 0, expected a whole number of 1 or more": {"--parity-jobs": 0},
    "--parity-require: got 'pytroch', expected 'pytorch'": {"--parity-require": "pytroch"},
    "--parity-require: got '', expected one of: pytorch, tensorflow": {"--parity-require": "pytorch,"},
    "--parity-require: got 'reference', expected one of: ": {"--parity-require": "pytorch, reference"},
    "--parity-report: got '/dev/null/there', expected a folder that can be written (": {
        "--parity-report": "/dev/null/there"
    },
}


@pytest.mark.parametrize("sentence", OF_PYTEST)
def test_a_wrong_option_of_pytest_is_a_usage_error(sentence: str, pytorch: str) -> None:
    """Use a configuration of our own; `test_plugin` has a real one."""
    options = {"--parity-jobs": 1} | OF_PYTEST[sentence]
    stored = {f"padding_{name[2:].replace('-', '_')}": value for name, value in options.items()}
    (check, *_) = plan(["rnn.gru"], ["pytorch"])
    config: Any = SimpleNamespace(
        option=SimpleNamespace(collectonly=False, setupplan=False, **stored),
        pluginmanager=SimpleNamespace(register=lambda *_: None),
        rootpath=Path(__file__).parent,
        args=[],
        stash=pytest.Stash(),
    )
    test: Any = SimpleNamespace(callspec=SimpleNamespace(params={"parity_results": check}))
    with pytest.raises(pytest.UsageError) as error:  # noqa: PT012  # either step may raise it
        plugin = padding_parity_plugin.load(config)
        plugin.parametrize(SimpleNamespace(parametrize=lambda *_, **__: None), "parity_results")
        plugin.pytest_collection_finish(SimpleNamespace(items=[test]))
    assert str(error.value).startswith(sentence)


SCALES = {
    "--parity-scale: got 'huge', expected tiny, default, gpu or B,T,D,H": "huge",
    "--parity-scale: got '8,16,4', expected tiny, default, gpu or B,T,D,H": "8,16,4",
    "--parity-scale: got '8,16,4,0', expected sizes of 1 or more": "8,16,4,0",
    "--parity-scale: got 100000 x 100000 x 4 numbers, expected at most 2147483648": "100000,100000,4,4",
}


@pytest.mark.parametrize("sentence", SCALES)
def test_a_wrong_scale_of_the_benchmarks_is_a_usage_error(sentence: str, pytestconfig: pytest.Config) -> None:
    ours: Any = pytestconfig.pluginmanager.get_plugin(str(pytestconfig.rootpath / "conftest.py"))
    with pytest.raises(pytest.UsageError) as error:
        ours.pytest_configure(SimpleNamespace(getoption=lambda _: SCALES[sentence]))
    assert str(error.value).startswith(sentence)


MISSING = "framework tensorflow: not installed. To install it: pip install "
UNAVAILABLE: dict[str, Callable[[], object]] = {
    "observe": lambda: observe(sample_case("rnn.gru", "one_layer", "ragged", "float32", 0), "tensorflow", "static"),
    "check_function": lambda: check_function("rnn.gru", lambda **_: {}, "tensorflow"),
    "train": lambda: training.train("model.tagger", "sgd", "tensorflow", steps=1, seed=77),
    "run": lambda: frameworks.runtime("tensorflow"),
}


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make TensorFlow and Keras impossible to import."""
    for module in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "parity.tensorflow.runtime", raising=False)
    monkeypatch.setattr(loading, "_runtime", loading._runtime.__wrapped__)


@pytest.mark.parametrize("call", UNAVAILABLE)
def test_a_missing_framework_is_named_with_the_command_that_installs_it(call: str, without_tensorflow: None) -> None:
    with pytest.raises(FrameworkUnavailable) as error:
        UNAVAILABLE[call]()
    assert str(error.value).startswith(MISSING)


def test_a_broken_framework_is_named_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(loading, "_runtime", loading._runtime.__wrapped__)
    with pytest.raises(
        FrameworkUnavailable, match=r"^framework pytorch: OSError: libcudart\.so\.12: cannot open shared obj"
    ):
        frameworks.runtime("pytorch")
