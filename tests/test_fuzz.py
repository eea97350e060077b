"""Call public functions and commands with anything at all: they work, or raise one sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

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
from parity.cli.advise import read_lengths
from parity.divergences import DIVERGENCES
from parity.errors import FrameworkUnavailable
from parity.frameworks import loading
from parity.report.model import decode, encode
from parity.throughput import advice
from tests.factories import small_report
from tests.strategies import JSON, TEXT, rejected_in_one_sentence, spoilt

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
        parity.check_function, "rnn.gru", function=print, framework="pytorch", contracts=["repeatable"], seed=0
    ),
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
    "training.plan": partial(training.plan, seed=0),
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
}


@pytest.mark.parametrize("name", CALLS)
@FEW
@given(st.data())
def test_a_wrong_call_is_rejected_in_one_sentence(name: str, data: st.DataObject) -> None:
    call = CALLS[name]
    wrong = data.draw(st.sets(st.sampled_from(sorted(call.keywords)), min_size=1, max_size=2))
    arguments = {argument: data.draw(spoilt(call.keywords[argument])) for argument in sorted(wrong)}
    with rejected_in_one_sentence():
        call(**arguments)


@given(st.data())
def test_a_spoilt_report_is_rejected_in_one_sentence_or_shown(data: st.DataObject) -> None:
    wrong = data.draw(spoilt(msgspec.to_builtins(small_report()), JSON))
    with rejected_in_one_sentence():
        report.write(decode(json.dumps(wrong)), "report")


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit status of a command, and what it wrote to stderr."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        try:
            status = main(arguments)
        except SystemExit as exit_:  # of argparse
            status = int(str(exit_.code))
    return status, err.getvalue()


DAMAGE = st.binary(max_size=3) | st.sampled_from([b"NaN", b"1e999", b"[" * 10_000, b"null", b'"', b"\\ud800", b"\xff"])


@given(st.integers(0, 10**6), st.integers(0, 99), DAMAGE)
def test_a_damaged_report_is_rejected_in_one_line_or_shown(at: int, removed: int, damage: bytes) -> None:
    whole = encode(small_report()).encode()
    at %= len(whole)
    Path("damaged.json").write_bytes(whole[:at] + damage + whole[at + removed :])
    status, err = run("report", "damaged.json", "--output", "report")
    assert (status, err.count("\n"), err[:24]) == (2, 1, "parity: error: report: g") or (status, err) == (1, "")


@given(st.binary(max_size=9) | st.text("0123456789 ,.-e+_", max_size=30).map(str.encode))
def test_any_file_of_lengths_is_rejected_in_one_sentence_or_read(content: bytes) -> None:
    Path("lengths").write_bytes(content)
    with rejected_in_one_sentence():
        assert len(read_lengths("lengths"))


REPEATED = ["--operation", "--framework", "--variant", "--dtype", "--contract"]
OPTIONS = {
    "check": [*REPEATED, "--seed", "--jobs", "--full", "trains_alike", "--nope"],
    "advise": ["--lengths", "--distribution", "--lognormal", "--steps", "--cell", "--hidden", "--features", "--batch"],
    "sweep": ["--seeds", "--dtype"],
    "divergences": ["--all", "--nope"],
    "report": ["--output", "--nope"],
}
NEVER_RUN = {
    "check": ["--operation", "nope"],
    "advise": ["--phase", "nope"],
    "sweep": ["--dtype", "nope"],
    "divergences": ["nope"],
    "report": ["nope"],
}


@given(st.data())
def test_wrong_options_are_rejected_in_one_line(data: st.DataObject) -> None:
    command = data.draw(st.sampled_from(list(OPTIONS)))
    word = st.sampled_from(OPTIONS[command]) | TEXT | st.integers(-2, 10**30).map(str)
    words = data.draw(st.lists(word, max_size=4))
    status, err = run(command, *words, *NEVER_RUN[command])
    assert (status, err.count("\n"), err[:14]) == (2, 1, "parity: error:")
