"""Report wrong commands, wrong options and missing frameworks in one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity import check_function, frameworks, observe, sample_case, training
from parity.__main__ import main
from parity.checks.selection import plan
from parity.errors import FrameworkUnavailable
from parity.frameworks import loading
from parity.pytest_plugin import OUTPUT, pytest_collection_finish, pytest_configure

HELP = "--help lists what it takes"
COMMANDS = {
    f"the following arguments are required: COMMAND; parity {HELP}": "",
    "argument COMMAND: invalid choice: 'chekc' (choose from ": "chekc",
    f"unrecognized arguments: --operatoin rnn.lstm; parity check {HELP}": "check --operatoin rnn.lstm",
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
    "selection: got no check at all, expected the first variant of a model, in float32: model.": (
        "check --contract trains_alike --operation rnn"
    ),
    "contract: got 'trains_alike' with --mode, expected no --mode: training has its own cases": (
        "check --contract trains_alike --mode eager"
    ),
    "operation: got 'model.tager', expected 'model.tagger'": "check --contract trains_alike --operation model.tager",
    "framework: got 'pytroch', expected 'pytorch'": "check --contract trains_alike --framework pytroch",
    "dtype: got 'float46', expected 'float64'": "check --contract trains_alike --dtype float46",
    "lengths: got '3,0,1', expected lengths, a colon and T, as in": "check --lengths 3,0,1",
    "seed: got -1, expected a whole number of 0 or more": "check --seed -1",
    f"argument --seed: invalid int value: 'x'; parity check {HELP}": "check --seed x",
    "jobs: got 0, expected a whole number of 1 or more": "check --jobs 0",
    "output: got '/dev/null/there', expected a folder that can be written (": "check --output /dev/null/there",
    f"argument --full: ignored explicit argument 'yes'; parity check {HELP}": "check --full=yes",
    f"the following arguments are required: report; parity report {HELP}": "report",
    "report: got 'nowhere.json', expected a report.json written by parity (": "report nowhere.json",
    "report: got '.', expected a report.json written by parity (": "report .",
    f"unrecognized arguments: b.json; parity report {HELP}": "report a.json b.json",
    f"the following arguments are required: OLD, NEW; parity diff {HELP}": "diff",
    f"the following arguments are required: NEW; parity diff {HELP}": "diff .",
    f"unrecognized arguments: c.json; parity diff {HELP}": "diff a.json b.json c.json",
    f"argument --markdown: ignored explicit argument 'yes'; parity diff {HELP}": "diff --markdown=yes a.json b.json",
    "OLD: got 'nowhere.json', expected a report.json written by parity (": "diff nowhere.json .",
    "divergence: got 'loss.denominatro', expected 'loss.denominator'": "divergences loss.denominatro",
    f"unrecognized arguments: --everything; parity divergences {HELP}": "divergences --everything",
    "seeds: got 0, expected a whole number of 1 or more": "sweep --seeds 0",
    f"argument --seeds: invalid int value: '1e3'; parity sweep {HELP}": "sweep --seeds 1e3",
    "dtype: got 'double', expected one of: float32, ": "sweep --dtype double",
    "mutant: got 'rnn.last_setp', expected ": "mutants rnn.last_setp",
    "lengths: got '3;4', expected ": "check --lengths 3;4",
    "device: got 'gpu', expected ": "check --device gpu",
    "one of the arguments --lengths --lognormal --distribution is required; parity advise --help": "advise",
    "argument --distribution: not allowed with argument --lengths": "advise --lengths a --distribution b",
    f"argument --lognormal: expected 2 arguments; parity advise {HELP}": "advise --lognormal 3",
    f"argument --lognormal: invalid float value: 'long'; parity advise {HELP}": "advise --lognormal long 1",
    "--lognormal: got -3 1, expected a median above 0 and a sigma of 0 or more": "advise --lognormal -3 1",
    "--lognormal: got 3 nan, expected a median above 0 and a sigma of 0 or more": "advise --lognormal 3 nan",
    "--distribution: got 'lognromal', expected 'lognormal'": "advise --distribution lognromal",
    "--distribution: got 'all_empty', expected one with real steps": "advise --distribution all_empty",
    "--lengths: got 'nowhere', expected a text file of whole numbers (": "advise --lengths nowhere",
    "--cell: got 'lstn', expected 'lstm'": "advise --distribution uniform --cell lstn",
    "--phase: got 'sideways', expected one of: forward, train": "advise --distribution uniform --phase sideways",
    "--hidden: got 0, expected a whole number from 1 to 100000": "advise --distribution uniform --hidden 0",
    "--features: got -2, expected a whole number from 1 to 100000": "advise --distribution uniform --features -2",
    "--batch: got 1000000, expected a whole number from 1 to 100000": "advise --distribution uniform --batch 1000000",
    "--steps: got 0, expected a whole number from 1 to 100000": "advise --distribution uniform --steps 0",
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
    status, err = run(capsys, *COMMANDS[line].split())
    assert err.startswith(f"parity: error: {line}")
    assert (status, err.count("\n")) == (2, 1)


def test_a_lack_of_memory_is_reported_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(_: object) -> int:
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr("parity.cli.report.run", too_large)
    assert run(capsys, "report", "x") == (1, "parity: failed: not enough memory: Unable to allocate 7 TiB\n")


NOT_LENGTHS = {
    b"": "0 numbers, expected lengths from 0 to 100000, one of them above 0",
    b"0 0": "2 numbers, from 0 to 0, expected lengths from 0 to 100000, one of them above 0",
    b"3 -1": "2 numbers, from -1 to 3, expected lengths from 0 to 100000",
    b"9" * 18: "1 numbers, from 999999999999999999 to 999999999999999999, expected lengths from 0 to 100000",
    b"1.5": "'lengths', expected a text file of whole numbers (invalid literal for int() with base 10: '1.5')",
    b"9" * 30: "'lengths', expected a text file of whole numbers (Python int too large to convert to C long)",
    b"\xff": "'lengths', expected a text file of whole numbers ('utf-8' codec can't decode byte 0xff",
}


@pytest.mark.parametrize("content", NOT_LENGTHS)
def test_a_file_without_lengths_is_rejected_in_one_line(
    content: bytes, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lengths").write_bytes(content)
    status, err = run(capsys, "advise", "--lengths", "lengths")
    assert err.startswith(f"parity: error: --lengths: got {NOT_LENGTHS[content]}")
    assert (status, err.count("\n")) == (2, 1)


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
    usual = {"--parity-seed": 0, "--parity-jobs": 1, "--parity-require": "", "--parity-report": OUTPUT, "usepdb": False}
    usual |= {"--parity-device": None, "--parity-tf32": False, "--parity-replay": None, "--parity-full": False}
    options: dict[str, Any] = usual | OF_PYTEST[sentence]
    (check, *_) = plan(["rnn.gru"], ["pytorch"])
    config: Any = SimpleNamespace(
        getoption=lambda name, default=None: options[name],
        option=SimpleNamespace(collectonly=False),
        addinivalue_line=lambda *_: None,
        pluginmanager=SimpleNamespace(register=lambda *_: None),
        stash=pytest.Stash(),
    )
    test = SimpleNamespace(callspec=SimpleNamespace(params={"parity_results": check}))
    session: Any = SimpleNamespace(config=config, items=[test])
    with pytest.raises(pytest.UsageError) as error:  # noqa: PT012  # either hook may raise it
        pytest_configure(config)
        pytest_collection_finish(session)
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


MISSING = "framework tensorflow: import of {} halted; None in sys.modules. To install it: pip install "
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
    assert str(error.value).startswith((MISSING.format("tensorflow"), MISSING.format("keras")))


def test_a_broken_framework_is_named_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(loading, "_runtime", loading._runtime.__wrapped__)
    with pytest.raises(
        FrameworkUnavailable, match=r"^framework pytorch: OSError: libcudart\.so\.12: cannot open shared obj"
    ):
        frameworks.runtime("pytorch")
