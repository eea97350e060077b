"""Show a run in a terminal: a matrix that fits, and failures as sentences."""

from __future__ import annotations

import inspect
import io
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec.structs import replace as changed
from rich.console import Console

from parity.__main__ import main
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, FirstDifference, Result, Status
from parity.checks.sentences import explain, nearest, sentence
from parity.cli.check import print_failures, print_nearest, summarise
from parity.cli.matrix import print_matrix
from parity.cli.streams import Output
from parity.cli.terminal import announce, console, print_lines
from parity.errors import printable
from parity.frameworks import FRAMEWORKS
from parity.operations import OPERATIONS
from parity.report import failed, read, write
from parity.report.formatting import SYMBOLS
from parity.report.groups import failures
from tests.factories import HOSTILE, LSTM, every_check, hostile_result, report_of, small_report
from tests.factories import result as make_result
from tests.full_runs import some
from tests.strategies import TEXT

posix = pytest.mark.skipif(os.name != "posix", reason="streams and signals are those of POSIX")


def result(status: Status = PASSED, check: Check = LSTM, score: float = 16.0, **fields: Any) -> Result:
    """Make a result that scores 16 noise floors, by default."""
    measured: dict[str, Any] = {"quantity": "h", "norm_score": 1.0, "worst_index": (3, 1)}
    return make_result(status, check, score=score, **(measured | fields))


def lines_of(results: list[Result], width: int = 100, **options: Any) -> list[str]:
    out = io.StringIO()
    print_matrix(results, Console(file=out, width=width, **options))
    return out.getvalue().splitlines()


def cells(lines: list[str], operation: str = "rnn.lstm") -> list[str]:
    (line,) = (line for line in lines if line.startswith(operation))
    return line.split()[1:]


def expected_failure() -> Result:
    return make_result(XFAILED, detail="it cannot")


def skipped() -> Result:
    return make_result(SKIPPED, detail="no torch")


MARKS = {
    "✓": [result(score=0.0, norm_score=0.0), expected_failure()],
    "16": [result(), result(score=3.0)],
    "4": [result(score=3.2, norm_score=8.0)],
    "1": [result(score=1e-9, norm_score=0.0)],
    "✗2": [result(), result(FAILED), result(FAILED)],
    "◆": [expected_failure(), skipped()],
    "○": [skipped()],
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_cell_shows_the_worst(mark: str) -> None:
    assert cells(lines_of(MARKS[mark])) == [mark]


def test_both_frameworks_have_a_mark_and_one_where_they_are_alike() -> None:
    other = replace(LSTM, framework="tensorflow", variant="masked")
    repeatable = [replace(check, contract="repeatable") for check in (LSTM, other)]
    exact = [*repeatable, replace(other, contract="same_in_every_mode")]
    results = [result(FAILED), result(check=other)]
    results += [result(check=check, score=0.0, norm_score=0.0) for check in exact]
    lines = lines_of(results)
    assert cells(lines) == ["✗1/16", "✓", f"{SYMBOLS['absent']}/✓"]
    assert any(line.startswith("pytorch/tensorflow, one mark where they are alike") for line in lines)


def test_every_contract_has_a_short_head_of_its_own() -> None:
    heads = [contract.abbreviation for contract in CONTRACTS.values()]
    assert len(set(heads)) == len(heads)
    assert 1 <= min(map(len, heads)) <= max(map(len, heads)) <= 6


@cache
def whole_run() -> list[Result]:
    """Make a result of every check: two digits for each framework where there are scores, else ticks."""
    exact = {"ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences", "repeatable"}
    exact |= {"propagates_nan", "no_side_effects"}
    models = [name for name in OPERATIONS if name.startswith("model.")]
    trained = [
        replace(LSTM, operation=model, framework=framework, contract="trains_alike")
        for model in models
        for framework in FRAMEWORKS
    ]
    scores = dict(zip(FRAMEWORKS, (8.0, 15.0), strict=True))
    results = []
    for check in (*every_check(), *trained):
        score = 0.0 if check.contract in exact else scores[check.framework]
        results.append(result(check=check, score=score, norm_score=min(score, 1.0)))
    return results


def test_a_whole_run_fits_into_120_columns_with_a_second_table_of_what_few_operations_promise() -> None:
    lines = lines_of(whole_run(), 120)
    assert max(map(len, lines)) <= 120
    rows = [sum(line.startswith(f"{operation} ") for line in lines) for operation in OPERATIONS]
    assert set(rows) == {1, 2}
    _, second = (line.split()[1:] for line in lines if line.startswith("operation "))
    for head in second:
        promising = {one.operation for one in whole_run() if CONTRACTS[one.contract].abbreviation == head}
        assert 0 < len(promising) < len(rows) / 2
    assert cells(lines, "embedding.lookup ")[:3] == ["8/15", "8/15", "✓"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_gets_several_tables_with_every_cell(width: int) -> None:
    wide, narrow = (lines_of(whole_run(), columns) for columns in (200, width))
    assert max(map(len, narrow)) <= width
    tables = [line.split()[1:] for line in narrow if line.startswith("rnn.lstm ")]
    assert len(tables) > 1
    assert [cell for table in tables for cell in table] == cells(wide, "rnn.lstm ")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_moves_the_cursor_or_marks_up(name: str) -> None:
    results = [hostile_result(HOSTILE[name], status) for status in (PASSED, FAILED)]
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    print_matrix(results, console)
    print_failures(failures(results), console)
    print_nearest(results, console)
    assert all(line.isprintable() for line in out.getvalue().split("\n"))


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = lines_of([result(FAILED)], force_terminal=True, color_system="standard")
    assert any("\x1b[1;31m" in line for line in coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("31m" in line for line in lines_of([result(FAILED)], force_terminal=True))


SUBJECT = "h of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager)"
SENTENCES: dict[str, tuple[Result, str]] = {
    "element": (
        result(FAILED, score=310.0),
        "is 310 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64",
    ),
    "norm": (
        result(FAILED, problem="norm", norm_score=20.0),
        "is 20 noise floors off the reference norm-wise; the limit is 16",
    ),
    "bits": (
        result(FAILED, problem="bits", error=0.1),
        "breaks matches_reference: off by 0.1 at (3, 1): 0.5 where 0.4 is expected, and every bit must be the same",
    ),
    "not_finite": (
        result(FAILED, problem="not_finite", places=1, worst_index=(0, 0)),
        "breaks matches_reference: NaN or inf on one side only, at 1 place, the first at (0, 0)",
    ),
}


@pytest.mark.parametrize("problem", SENTENCES)
def test_a_failure_is_a_sentence(problem: str) -> None:
    failure, words = SENTENCES[problem]
    failure = changed(failure, observed=0.5, expected=0.4)
    assert sentence(failure) == f"{SUBJECT} {words}"
    assert sentence(changed(failure, first=FirstDifference(2, "c", layer=0))) == (
        f"{SUBJECT} {words}; it differs from the reference at step 2, first in c of layer 0"
    )
    assert "where 0.4" not in sentence(changed(failure, observed=None))


def test_a_crash_is_a_sentence_without_a_quantity() -> None:
    crash = LSTM.result("eager", "one_layer/ragged", FAILED, "raised", "raised ValueError: no")
    assert sentence(crash) == (
        "pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) breaks matches_reference: raised ValueError: no"
    )


def test_a_single_number_has_no_index() -> None:
    scalar = result(FAILED, score=310.0, worst_index=(), observed=1.0, expected=2.0)
    assert "is 310 noise floors off the reference: 1 where 2 is expected; the limit is 64" in sentence(scalar)


def test_a_result_that_passed_is_a_sentence_too() -> None:
    words = nearest(result(observed=0.5, expected=0.4))
    assert words.endswith("is 16 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64")
    assert nearest(result(norm_score=8.0)).endswith("is 8 noise floors off the reference norm-wise; the limit is 16")


VALUES = {
    (0.300000012, 0.300000019): "0.300000012 where 0.300000019 is expected",
    (1 / 3, 2 / 3): "0.3333 where 0.6667 is expected",
    (2.0, 1.0): "2 where 1 is expected",
}


@pytest.mark.parametrize("values", VALUES)
def test_values_have_as_many_digits_as_their_difference_needs(values: tuple[float, float]) -> None:
    observed, expected = values
    assert VALUES[values] in sentence(result(FAILED, observed=observed, expected=expected))


def test_a_value_that_is_not_finite_is_left_out() -> None:
    assert "where" not in sentence(result(FAILED, observed=math.inf, expected=1 / 3))


def test_an_explanation_has_the_worst_first_with_its_command() -> None:
    crashes = [
        make_result(FAILED, case=f"case {at}", quantity="", score=70.0 + at, problem="other", detail=f"no {at}")
        for at in range(20)
    ]
    lines = explain(crashes).splitlines()
    assert lines[0].startswith("pytorch.packed in rnn.lstm (case 19, float32, eager) breaks")
    assert lines[1] == f"  reproduce: {LSTM.reproduce}"
    assert lines[2] == "  20 of 20 results failed:"
    assert lines[-1] == "  and 12 more"


def test_the_worst_three_are_printed_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    variants = OPERATIONS["rnn.lstm"].variants["pytorch"][:5]
    results = [
        result(FAILED, replace(LSTM, variant=name), 100.0 + at, problem="other", detail=f"no {at}")
        for at, name in enumerate(variants)
    ]
    print_failures(failures(results), Console(width=100))
    out = capsys.readouterr().out
    assert [f"no {at}" in out for at in range(5)] == [False, False, True, True, True]
    assert out.index("no 4") < out.index("no 3") < out.index("no 2")
    assert out.count("  reproduce: parity check --operation rnn.lstm") == 3
    assert "and 2 more, of other variants or contracts: see the report" in out


def test_a_result_is_explained_by_its_own_fields() -> None:
    failure = Result(
        operation="o",
        framework="f",
        variant="v",
        mode="m",
        dtype="d",
        case="c",
        seed=0,
        contract="contract",
        status=FAILED,
        problem="other",
        detail="off",
    )
    assert sentence(failure) == "f.v in o (c, d, m) breaks contract: off"


SIGNALS_BY_DEFAULT = """import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in {"SIGTERM", "SIGHUP"}.intersection(signal.Signals.__members__):
    signal.signal(signal.Signals[number], signal.SIG_DFL)
"""


def python(*arguments: str, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``parity`` in a process of its own, after some code; it heeds signals even if pytest runs under nohup."""
    code = f"{SIGNALS_BY_DEFAULT}{before}\nfrom parity.__main__ import main\nsys.exit(main({list(arguments)!r}))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, **({"capture_output": True, "text": True, "check": False} | options))


LIGHT = {
    "help": ["check", "--help"],
    "describe": ["describe", "rnn.lstm"],
    "list": ["describe"],
    "mutants": ["mutants", "--list"],
    "divergences": ["divergences"],
    "report": ["report", "there"],
    "diff": ["diff", "there", "there"],
    "markdown": ["diff", "there", "there", "--markdown"],
}
STATUS = {name: int(name == "report") for name in LIGHT}  # the report has failures


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a report in the folder "there"."""
    write(small_report(), tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def all_commands(before: str, **options: Any) -> tuple[dict[str, int], subprocess.CompletedProcess[str]]:
    """Run every light command in one process; return the status of each, and the process."""
    code = f"""
import json, sys
{before}
from pathlib import Path
from parity.__main__ import main
status = {{name: main(command) for name, command in {LIGHT!r}.items()}}
Path("status.json").write_text(json.dumps(status))
"""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "check": False}
    process = subprocess.run([sys.executable, "-c", code], **(given | options))
    status = Path("status.json")
    return json.loads(status.read_text()) if status.exists() else {}, process


@pytest.mark.parametrize("encoding", ["ascii", "cp1252:strict", "utf-8"])
def test_every_command_gets_through_whatever_the_encoding_is(encoding: str, there: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    encoding = encoding.partition(":")[0]
    status, process = all_commands("", env=environment, encoding=encoding)
    assert (status, process.returncode, process.stderr) == (STATUS, 0, "")
    assert ("\\u2713" in process.stdout) == (encoding != "utf-8")


@posix
def test_every_command_gets_through_without_standard_streams(there: Path) -> None:
    """Close them before Python starts; a file that it opened then would get their numbers."""
    status, process = all_commands("", preexec_fn=lambda: os.closerange(0, 3))
    assert (status, process.returncode) == (STATUS, 0)


@posix
def test_a_reader_that_leaves_changes_no_status(there: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        status, process = all_commands("", stdout=stdout)
    assert (status, process.returncode, process.stderr) == (STATUS, 0, "")


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


@needs_full
def test_what_cannot_be_printed_fails_in_one_sentence(there: Path) -> None:
    with FULL.open("w") as stdout:
        process = python("diff", "there", "there", stdout=stdout, stderr=subprocess.PIPE, capture_output=False)
    sentence = "parity: failed: stdout cannot be written: No space left on device\n"
    assert (process.returncode, process.stderr) == (1, sentence)


PASSING = """
from msgspec.structs import replace
from parity.checks.check import Check
Check.run = lambda check: [replace(check.result("eager", "features/ragged", "passed"), compared=1)]
"""


@needs_full
@pytest.mark.parametrize("stdout", ["full", "encoded"])
def test_no_stream_costs_a_report(stdout: str, tmp_path: Path) -> None:
    """Check without a framework; the progress goes to stderr, which is full."""
    command = ["check", "--operation", "bidirectional.reverse_sequence", "--jobs", "1", "--output", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with FULL.open("w") as full:
        streams = {"stdout": full if stdout == "full" else subprocess.PIPE, "stderr": full}
        process = python(*command, before=PASSING, env=environment, capture_output=False, **streams)
    assert process.returncode == (1 if stdout == "full" else 0)
    assert not failed(read(tmp_path))


def test_a_command_may_run_in_a_thread() -> None:
    """Leave signals alone there: only the main thread may handle them."""
    with ThreadPoolExecutor() as pool:
        assert pool.submit(main, ["mutants", "--list", "rnn"]).result() == 0


@posix
def test_what_ignores_a_signal_goes_on_ignoring_it() -> None:
    """Keep what nohup and a background job of a script ask for."""
    code = (
        "import os, signal\n"
        "numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]\n"
        "for number in numbers: signal.signal(number, signal.SIG_IGN)\n"
        "import parity.cli.describe as command\n"
        "command.run = lambda _: [os.kill(os.getpid(), number) for number in numbers] and 0"
    )
    assert python("describe", before=code).returncode == 0


SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"]
IMPORTS = {
    "in an import": "ready()",
    "in an import that makes another error of it": "try: ready()\nexcept KeyboardInterrupt: raise ImportError",
}


@posix
@pytest.mark.parametrize(
    ("name", "moment"), [*((name, "in a command") for name in SIGNALS), *(("SIGINT", moment) for moment in IMPORTS)]
)
def test_an_interrupt_before_the_first_check_is_one_line(
    name: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ready = f"import builtins, os, signal\nbuiltins.ready = lambda: os.kill(os.getpid(), signal.{name})"
    if moment in IMPORTS:
        Path("rich.py").write_text(IMPORTS[moment])
        process = python("describe", before=ready)
    else:
        process = python("describe", before=f"{ready}\nimport parity.cli.describe as it; it.run = lambda _: ready()")
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "parity: interrupted\n")


WRITTEN = {  # command -> a task that it runs, of which nothing comes
    "check": "checks.check.Check",
    "mutants": "mutants.MutantTask",
    "sweep": "checks.sweep.SweepTask",
    "record --framework pytorch": "checks.recorder.RecordingTask",
}
TERMINATED = """
import io, os
import {module} as tasks
from parity import frameworks
frameworks.missing = lambda _: ""
tasks.{name}.run = lambda task: []
frameworks.loading._runtime = lambda _: frameworks.FrameworkUnavailable("framework: none")
class Full(io.StringIO):
    def write(self, text):
        os.kill(os.getpid(), signal.SIGTERM)
        return len(text)
sys.stdout = Full()
"""


@posix
@pytest.mark.parametrize("command", some(WRITTEN, set(WRITTEN) - {"check"}))
def test_a_command_can_be_terminated_once_its_report_is_written(command: str, tmp_path: Path) -> None:
    """Send SIGTERM when it prints, which takes for ever if nobody reads."""
    module, _, name = WRITTEN[command].rpartition(".")
    code = TERMINATED.format(module=f"parity.{module}", name=name)
    process = python(*command.split(), "--jobs", "1", "--output", str(tmp_path / "it"), before=code)
    assert (process.returncode, process.stderr.splitlines()[-1]) == (130, "parity: interrupted")
    assert command.startswith("record") or read(tmp_path / "it").schema


ESCAPES = "\x1b[31mred\x1b[0m"
FOREIGN = ["[bold]red[/bold]", ":bomb:", ESCAPES, "half \udc80", "[link=http://x]y[/link]", "\u202ename"]


@pytest.mark.parametrize("text", FOREIGN)
def test_no_foreign_text_is_interpreted(text: str) -> None:
    out = io.StringIO()
    print_lines(Console(file=out, force_terminal=True, width=200), text)
    assert out.getvalue() == f"{printable(text)}\n"


WRONG = {
    "a command": [f"chekc{ESCAPES}"],
    "an option": ["check", f"--{ESCAPES}"],
    "a value": ["check", "--operation", ESCAPES],
    "a number": ["check", "--seed", ESCAPES],
    "a file": ["report", ESCAPES],
    "a folder": ["check", "--output", f"/dev/null/{ESCAPES}"],
    "a recording": ["check", "--replay", ESCAPES],
    "a name": ["divergences", ESCAPES],
    "a required framework": ["mutants", "--require", ESCAPES],
    "lengths": ["advise", "--lengths", ESCAPES],
}


@pytest.mark.parametrize("kind", WRONG)
def test_no_wrong_argument_moves_the_cursor(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WRONG[kind]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.removesuffix("\n").isprintable()


@given(TEXT, st.sampled_from(["ascii", "cp1252", "utf-8", "utf-16"]))
def test_any_line_is_printed_as_one_line_in_any_encoding(text: str, encoding: str) -> None:
    file = io.BytesIO()
    stream: Any = Output(io.TextIOWrapper(file, encoding, newline=""))
    print_lines(Console(file=stream, width=20), text)
    stream.flush()
    printed = file.getvalue().decode(encoding)
    assert printed.endswith("\n")
    assert printed[:-1].isprintable()


class Foreign:
    """A recording from elsewhere, as far as it is printed."""

    def __str__(self) -> str:
        return f"torch [bold]{ESCAPES} on cpu"


def test_texts_of_reports_recordings_and_folders_are_printed_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / f"[bold]{ESCAPES}"
    announce(write(report_of(result(FAILED, problem="other", detail=ESCAPES)), folder), small_report())
    print_failures(failures([result(FAILED, problem="other", detail=f"[bold]{ESCAPES}")]), console())
    recording: Any = Foreign()
    summarise(report_of(result()), recording)
    out = capsys.readouterr().out
    assert f"compared with torch [bold]{printable(ESCAPES)} on cpu" in out
    assert f"[bold]{printable(ESCAPES)}/report.json" in out
    assert f"breaks matches_reference: [bold]{printable(ESCAPES)}" in out
    assert all(line.isprintable() for line in out.split("\n"))


def test_a_definition_is_printed_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    for name, row in OPERATIONS.items():
        main(["describe", name])
        reference = import_module(f"parity.reference.{row.topic}")
        definition = inspect.getdoc(getattr(reference, row.function)) or ""
        assert " ".join(definition.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [["pooling.mean"], ["rnn"], []], ids=str)
def test_a_definition_that_python_has_removed_is_named(arguments: list[str]) -> None:
    command = [sys.executable, "-OO", "-m", "parity", "describe", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    warning = "parity: definitions are docstrings, which an option of Python, -OO, has removed\n"
    assert (process.returncode, process.stderr) == (0, warning)
    assert "None" not in process.stdout
    assert "pooling.mean" in process.stdout or arguments == ["rnn"]


ABBREVIATED = {
    "check --op rnn": "; nearest: --operation",
    "check --operatoin rnn": "; nearest: --operation",
    "advise --no-meas --distribution uniform": "; nearest: --no-measure",
    "report --1234 x": "parity report --help lists what it takes",
}


@pytest.mark.parametrize("command", ABBREVIATED)
def test_an_abbreviated_option_is_an_error_with_its_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    assert capsys.readouterr().err.endswith(f"{ABBREVIATED[command]}\n")
