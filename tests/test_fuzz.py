"""Call public functions and commands with anything at all: they work, or raise one sentence."""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from rich.console import Console

import parity
from parity import bucketing, divergences, frameworks, mutants, operations, report, training
from parity.__main__ import main
from parity.arrays import check_lengths
from parity.cases import real_data
from parity.cases.lengths import fill_lengths, sample_lengths
from parity.cases.sampling import with_lengths
from parity.checks import runner, selection, sweep
from parity.checks.check import Check
from parity.checks.comparison import compare, difference
from parity.checks.sentences import explain
from parity.cli.advise import read_lengths
from parity.cli.diff import print_diff
from parity.cli.diff import render_markdown as render_diff
from parity.diff import compare_reports
from parity.divergences import DIVERGENCES
from parity.errors import FrameworkUnavailable, NotWritten
from parity.frameworks import loading
from parity.report import Report
from parity.report.github import workflow_commands
from parity.report.html import render_page
from parity.report.markdown import LIMIT, render_markdown
from parity.report.model import decode, encode
from parity.report.view import arrange
from parity.throughput import advice
from tests.factories import mutant, result, small_report
from tests.strategies import JSON, TEXT, any_digits, mutated, rejected_in_one_sentence, spoilt

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy: huge numbers overflow in narrow dtypes
FEW = settings(max_examples=settings.default.max_examples // 10)  # for each of the many functions


@pytest.fixture(scope="module", autouse=True)
def in_a_scratch_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run where anything may be written, without the frameworks, which no wrong input reaches."""
    runtime = loading._runtime

    def only_the_reference(framework: str) -> Any:
        if framework != "reference":
            raise FrameworkUnavailable(f"framework {framework}: not here")
        return runtime(framework)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("garbage") / "..")
        patch.setattr(loading, "_runtime", only_the_reference)
        yield


def use_cost(cost: Any) -> None:
    with bucketing.using(cost):
        pass


CASE = parity.sample_case("rnn.gru", "one_layer", "ragged", "float32", 0)
IDS = parity.sample_case("embedding.lookup", "pad_is_0", "ragged", "float64", 0)
OBSERVATION = parity.Observation({"y": np.zeros(2)}, {"framework": "reference"})
REPORT = small_report()
RNG = np.random.default_rng(0)
COST = bucketing.DEFAULT
ONES, ZEROS = np.ones((2, 2)), np.zeros((2, 2))
SAMPLES = [((1, 8, 64), 25.0), ((1, 8, 128), 41.0), ((2, 4, 16), 10.0)]
LSTM = {"operation": "rnn.lstm", "config": "one_layer"}
TAGGER = {"model": "model.tagger", "steps": 1, "seed": 0}
OF_CASE = ("operation", "config", "lengths", "arrays", "cotangents", "lengths_name", "seed")

# Right calls, of which some arguments will be wrong.
CALLS: dict[str, partial[Any]] = {
    "sample_case": partial(
        parity.sample_case, **LSTM, lengths="ragged", dtype="float32", seed=0, sizes=(("B", 2), ("T", 3))
    ),
    "sample real data": partial(
        parity.sample_case, "model.tagger", "lstm", "sampled", dtype="float32", seed=0, sizes=(("H", 2),)
    ),
    "with_lengths": partial(with_lengths, **LSTM, lengths=[2, 1], dtype="float32", seed=0, steps=3, H=2),
    "Case": partial(parity.Case, **{name: getattr(CASE, name) for name in OF_CASE}),
    "Case of ids": partial(parity.Case, **{name: getattr(IDS, name) for name in OF_CASE}),
    "Case.refilled": partial(CASE.refilled, seed=0, fills=(1.0, np.nan)),
    "Case.extended": partial(CASE.extended, extra=1),
    "Case.taken": partial(CASE.taken, rows=[1, 0]),
    "Case.size": partial(CASE.size, axis="B"),
    "Case.keeping": partial(CASE.keeping, outputs=["y"]),
    "observe": partial(parity.observe, case=CASE, framework="reference", variant="", mode="eager"),
    "noise_floor": partial(parity.noise_floor, case=CASE, copies=2),
    "check_function": partial(
        parity.check_function,
        "rnn.gru",
        function=print,
        framework="pytorch",
        dtype="float32",
        contracts=["repeatable"],
        config="one_layer",
        lengths="ragged",
        mode="eager",
        omits=[],
        seed=0,
    ),
    "assert_function": partial(parity.assert_function, operation="rnn.gru", function=print, framework="pytorch"),
    "explain": partial(explain, results=[result("failed")]),
    "Batch": partial(parity.Batch, values=np.zeros((2, 3)), lengths=[1, 2]),
    "Batch.of": partial(parity.Batch.of, sequences=[[1.0], [2.0, 3.0]], steps=4),
    "check_lengths": partial(check_lengths, lengths=[1, 2], steps=3, batch=2),
    "sample_lengths": partial(sample_lengths, distribution="ragged", rng=RNG, batch=3, steps=4),
    "fill_lengths": partial(fill_lengths, fill=0.5, rng=RNG, batch=3, steps=4),
    "compare": partial(compare, observed={"y": ONES}, expected={"y": ZEROS}, floor={"y": ONES}),
    "difference": partial(difference, "y", observed=ONES, expected=ZEROS, floor=ONES),
    "compare bits": partial(compare, observed={"y": ONES}, expected={"y": ZEROS}),
    "Observation": partial(parity.Observation, quantities={"y": ONES}, provenance={"framework": "reference"}),
    "Observation[]": partial(lambda quantity: OBSERVATION[quantity], quantity="y"),
    "operations.find": partial(operations.find, name="rnn.gru"),
    "Operation.configuration": partial(operations.find("rnn.gru").configuration, name="one_layer"),
    "selection.plan": partial(
        selection.plan,
        operations=["rnn.gru"],
        frameworks=["pytorch"],
        variants=["packed"],
        dtypes=["float32"],
        contracts=["repeatable"],
        seed=0,
        full=False,
        config="one_layer",
        lengths="ragged",
        mode="eager",
        device=frameworks.CPU,
        recording=None,
    ),
    "Runner": partial(runner.Runner, tasks=[Check("rnn.gru", "pytorch", "packed", "float32", "repeatable")], jobs=1),
    "Cost": partial(bucketing.Cost, call=1.0, step=1.0, row=0),
    "Cost.of": partial(COST.of, batch=2, steps=3),
    "bucketing.using": partial(use_cost, cost=COST),
    "bucketing.split": partial(bucketing.split, lengths=[2, 1], cost=COST),
    "bucketing.batches": partial(bucketing.batches, lengths=[2, 1], batch=2, cost=COST),
    "padded_over_real": partial(bucketing.padded_over_real, lengths=[3, 1], split=bucketing.split([3, 1])),
    "bucketing.ideal": partial(bucketing.ideal, lengths=[2, 1], steps=3, floor_rows=1.0),
    "bucketing.fit": partial(bucketing.fit, samples=SAMPLES),
    "train": partial(training.train, **TAGGER, optimiser="sgd", framework="reference", build=None, function=None),
    "training.check_training": partial(
        training.check_training, **TAGGER, optimiser="sgd", framework="pytorch", build=None, function=None
    ),
    "training.growth": partial(training.growth, **TAGGER, optimiser="sgd"),
    "training.envelope": partial(training.envelope, **TAGGER),
    "training.plan": partial(training.plan, seed=0, chosen=["pytorch"]),
    "training.assert_training": partial(training.assert_training, **TAGGER, optimiser="sgd", framework="pytorch"),
    "training.plan_curves": partial(training.plan_curves, seed=0),
    "divergences.find": partial(divergences.find, name="loss.denominator"),
    "divergences.plan": partial(divergences.plan, entries=["loss.denominator"]),
    "divergences.try_out": partial(divergences.try_out, DIVERGENCES["loss.denominator"], framework="pytorch"),
    "divergences.try_out of": partial(divergences.try_out, divergence=None, framework="pytorch"),
    "sweep.plan": partial(sweep.plan, operations=["rnn.gru"], dtypes=["float32"], seeds=1, first=0),
    "mutants.plan": partial(mutants.plan, mutants=["rnn.lengths_short_by_one"]),
    "advice.Layer": partial(
        lambda lengths, steps, **layer: advice.Layer(**layer).benchmark(lengths, steps),
        **LSTM,
        lengths=[2, 1],
        steps=3,
        features=2,
        hidden=3,
    ),
    "advice.Model": partial(advice.Model({"pytorch.packed": COST}).seconds, "pytorch.packed", lengths=[2, 1], steps=3),
    "advice.Model of": partial(advice.Model({"pytorch.packed": COST}).seconds, name="pytorch.packed", lengths=[2, 1]),
    "advice.regret": partial(advice.regret, predicted="a", measured={"a": 1.0, "b": 2.0}),
    "real_data.lengths": partial(real_data.lengths, name="speeches"),
    "real_data.sample_batch": partial(real_data.sample_batch, name="speeches", rng=RNG, count=2, dtype="float32"),
    "frameworks.missing": partial(frameworks.missing, framework="reference"),
    "report.check_writable": partial(report.check_writable, folder="report"),
    "report.build": partial(
        report.build,
        results=[result()],
        frameworks={"pytorch": {"threads": 2}},
        seed=0,
        seconds=1.0,
        planned=1,
        checked=1,
        interrupted=False,
        divergences=REPORT.divergences,
        training=REPORT.training,
        mutants=REPORT.mutants,
        sweep=REPORT.sweep,
        throughput=REPORT.throughput,
        replayed=None,
    ),
    "report.write": partial(report.write, report=REPORT, folder="report"),
    "report.read": partial(report.read, path="report"),
    "report.failed": partial(report.failed, report=REPORT),
    "report.verdict": partial(report.verdict, report=REPORT),
    "report.claim": partial(report.claim, folder="claimed"),
    "report.claim_addable": partial(report.claim_addable, folder="claimed"),
    "report.add_to_report": partial(
        report.add_to_report, folder="added", begun=REPORT, mutants=[mutant()], sweep=REPORT.sweep
    ),
    "report.describe_recording": partial(report.describe_recording, recording=None),
}


WHERE_RIGHT = suppress(NotWritten, AssertionError)  # a folder that cannot be written; nothing was compared


@pytest.mark.parametrize("name", CALLS)
@FEW
@given(st.data())
def test_a_wrong_call_is_rejected_in_one_sentence(name: str, data: st.DataObject) -> None:
    call = CALLS[name]
    wrong = data.draw(st.sets(st.sampled_from(sorted(call.keywords)), min_size=1, max_size=2))
    arguments = {argument: data.draw(spoilt(call.keywords[argument])) for argument in sorted(wrong)}
    with rejected_in_one_sentence(), WHERE_RIGHT:
        call(**arguments)


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


OF_OTHER_TYPES = (None, 3, -1, 0.5, True, "x", b"x", {}, [], [3], {"a": 3}, print, Mute(), 2**64, "9" * 5000)


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in CALLS for argument in CALLS[name].keywords]
)
def test_an_argument_of_any_type_is_taken_or_rejected_in_one_sentence(name: str, argument: str) -> None:
    for wrong in OF_OTHER_TYPES:
        with rejected_in_one_sentence(), WHERE_RIGHT:
            CALLS[name](**{argument: wrong})


WHOLE_REPORT = json.loads(encode(small_report()))


def views_of(made: Report) -> None:
    """Render everything that can be made of a report."""
    view = arrange(made)
    assert render_page(view).count("could not be drawn") == 1  # in its script
    assert len(render_markdown(view).encode("utf-8", "backslashreplace")) <= LIMIT
    assert all(command.startswith("::error title=") and command.isprintable() for command in workflow_commands(view))
    assert (decode(encode(made)), report.verdict(made).isprintable()) == (made, True)
    for diff in (compare_reports(small_report(), made), compare_reports(made, small_report())):
        assert render_diff(diff).endswith("\n")
        print_diff(diff, Console(file=io.StringIO(), width=140))


@given(spoilt(WHOLE_REPORT, JSON) | mutated(WHOLE_REPORT) | mutated(WHOLE_REPORT))
def test_a_spoilt_report_is_rejected_in_one_sentence_or_shown(wrong: Any) -> None:
    with any_digits():
        text = json.dumps(wrong)
    with rejected_in_one_sentence():
        views_of(decode(text))


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit status of a command, and what it wrote to stderr."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        status = main(arguments)
    return status, err.getvalue()


DAMAGE = st.binary(max_size=3) | st.sampled_from([b"NaN", b"1e999", b"[" * 10_000, b"null", b'"', b"\\ud800", b"\xff"])


@given(st.integers(0, 10**6), st.integers(0, 99), DAMAGE)
def test_a_damaged_report_is_rejected_in_one_line_or_shown(at: int, removed: int, damage: bytes) -> None:
    whole = encode(small_report()).encode()
    at %= len(whole)
    Path("damaged.json").write_bytes(whole[:at] + damage + whole[at + removed :])
    status, err = run("report", "damaged.json", "--output", "report")
    wrong = "parity: error: report 'damaged.json': got "
    assert (status, err.count("\n"), err[: len(wrong)]) == (2, 1, wrong) or (status, err) == (1, "")


@given(st.binary(max_size=9) | st.text("0123456789 ,.-e+_", max_size=30).map(str.encode))
def test_any_file_of_lengths_is_rejected_in_one_sentence_or_read(content: bytes) -> None:
    Path("lengths").write_bytes(content)
    with rejected_in_one_sentence():
        assert len(read_lengths("lengths"))


COMMANDS = ("check", "record", "report", "merge", "diff", "describe", "divergences", "mutants", "sweep", "advise")


def options_of(command: str) -> list[tuple[str, int]]:
    """List the options of a command with the number of their values, and its positional arguments under no name."""
    parser = argparse.ArgumentParser()
    import_module(f"parity.cli.{command}").add_options(parser)
    listed = []
    for action in parser._actions:
        taken = 1 if action.nargs in (None, "*", "+", "?") else action.nargs
        listed.append((action.option_strings[0] if action.option_strings else "", int(taken)))
    return [*listed, ("--nope", 0)]


OPTIONS = {command: options_of(command) for command in COMMANDS}
NUMBERS = ["0", "1", "-1", "3", "2.5", "nan", "-inf", "1e999", "1_000", " 3 ", "\u0663", "9" * 15, "9" * 20, "9" * 5000]
PATHS = ["", ".", "..", "-", "folder", "file", "fifo", "loop", "good", "bad.json", "file/x", "new/x", "x" * 5000, "\0"]
KNOWN = ["rnn", "rnn.gru", "model.tagger", "pytorch", "tensorflow", "packed", "float32", "repeatable", "trains_alike"]
KNOWN += ["one_layer", "ragged", "3,0,1:5", "eager", "graph", "cpu", "loss.denominator", "uniform", "lstm", "forward"]
LENGTHS = ["03:05", "3:5x-1", "3,,1:5", "3:", f"{'9' * 5000}:5", "9:99999999999", "3:5~nan", "\u0663:5", "+3", "3:5x0"]
VALUE = st.sampled_from([*NUMBERS, *PATHS, *KNOWN, *LENGTHS, "\x1b[31m\u202e", "\udc80", "x" * 5000, "[red]"]) | TEXT


@st.composite
def command_lines(draw: Any) -> list[str]:
    """Generate a command with some of its options, and values that may be right."""
    command = draw(st.sampled_from(COMMANDS))
    words = [command]
    for name, count in draw(st.lists(st.sampled_from(OPTIONS[command]), max_size=6)):
        words += [name] if name else []
        words += draw(st.lists(VALUE, min_size=count, max_size=count))
    return words


@pytest.fixture(scope="module")
def nothing_is_run(in_a_scratch_folder: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Interrupt every command before its first task, in a folder with everything that `PATHS` names."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "work").mkdir()
        patch.chdir(folder / "work")
        patch.setenv("XDG_CACHE_HOME", str(folder / "work"))
        for command in ("check", "record", "mutants", "sweep"):
            patch.setattr(f"parity.cli.{command}.run_tasks", lambda *_: ({}, True))
        Path("folder").mkdir()
        Path("file").write_text("3 4", encoding="utf-8")
        Path("bad.json").write_text("{}", encoding="utf-8")
        Path("loop").symlink_to("loop")
        os.mkfifo("fifo")
        report.write(small_report(), "good")
        yield folder


@given(words=command_lines())
def test_any_command_line_ends_in_at_most_one_sentence(words: list[str], nothing_is_run: Path) -> None:
    status, err = run(*words)
    assert status in (0, 1, 2, 130)
    assert (status == 2) == err.startswith("parity: error: "), err
    assert err.count("\n") <= 1
    assert err.removesuffix("\n").isprintable()
    assert len(err) < 700
    assert [file.name for file in nothing_is_run.iterdir()] == ["work"]
