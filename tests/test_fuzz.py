"""Whatever a public function or a command is handed, it works, or says in one sentence what is wrong."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import parity
from parity import bucketing as planner
from parity import divergences, frameworks, mutants, operations, report, training
from parity.__main__ import main
from parity.cases import batch
from parity.cases import real_data as data
from parity.cases.sampling import with_lengths
from parity.checks import check, runner, sweep
from parity.checks.check import Check
from parity.checks.comparison import compare, difference
from parity.cli.advise import read_lengths
from parity.divergences import DIVERGENCES
from parity.errors import FrameworkUnavailable, InputError
from parity.frameworks import loading
from parity.throughput import advice as advise
from tests.garbage import JSON, TEXT, small_record, spoilt

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy: huge numbers overflow in narrow dtypes
EACH = settings(max_examples=settings.default.max_examples // 10)  # of the many functions


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """In a folder where anything may be written, without the frameworks: no input reaches them."""
    runtime = loading._runtime

    def only_the_reference(framework: str) -> Any:
        if framework != "reference":
            raise FrameworkUnavailable(f"framework {framework}: not here")
        return runtime(framework)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("garbage") / "..")
        patch.setattr(loading, "_runtime", only_the_reference)
        yield


@contextmanager
def refused_in_one_sentence() -> Iterator[None]:
    """If at all, in our words."""
    try:
        yield
    except InputError as error:
        words = str(error)
        assert re.fullmatch(r".+: got .+, expected .+", words), words
    except FrameworkUnavailable:
        pass


def plans_by(cost: Any) -> None:
    with planner.using(cost):
        pass


CASE = parity.sample_case("rnn.gru", "one_layer", "ragged", "float32", 0)
IDS = parity.sample_case("embedding.lookup", "pad_is_0", "ragged", "float64", 0)
BATCH = parity.Batch.of([[1.0, 2.0], [3.0]])
SEEN = parity.Observation({"y": np.zeros(2)}, {"framework": "reference"})
RNG = np.random.default_rng(0)
COST = planner.DEFAULT
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
    "check_lengths": partial(batch.check_lengths, lengths=[1, 2], steps=3, batch=2),
    "check_rows": partial(batch.check_rows, rows=[1, 0], batch=2),
    "sample_lengths": partial(batch.sample_lengths, distribution="ragged", rng=RNG, batch=3, steps=4),
    "fill_lengths": partial(batch.fill_lengths, fill=0.5, rng=RNG, batch=3, steps=4),
    "compare": partial(compare, observed={"y": ONES}, expected={"y": ZEROS}, floor={"y": ONES}),
    "difference": partial(difference, "y", observed=ONES, expected=ZEROS, floor=ONES),
    "compare bits": partial(compare, observed={"y": ONES}, expected={"y": ZEROS}),
    "Observation": partial(parity.Observation, quantities={"y": ONES}, provenance={"framework": "reference"}),
    "Observation[]": partial(lambda quantity: SEEN[quantity], quantity="y"),
    "Observation.save": partial(SEEN.save, path="seen.npz"),
    "operations.find": partial(operations.find, name="rnn.gru"),
    "Operation.config": partial(operations.find("rnn.gru").config, name="one_layer"),
    "check.plan": partial(
        check.plan,
        operations=["rnn.gru"],
        frameworks_=["pytorch"],
        variants=["packed"],
        dtypes=["float32"],
        contracts=["repeatable"],
        seed=0,
        full=False,
    ),
    "Runner": partial(runner.Runner, tasks=[Check("rnn.gru", "pytorch", "packed", "float32", "repeatable")], jobs=1),
    "Cost": partial(planner.Cost, call=1.0, step=1.0, row=0),
    "Cost.of": partial(COST.of, batch=2, steps=3),
    "planner.using": partial(plans_by, cost=COST),
    "planner.split": partial(planner.split, lengths=[2, 1], cost=COST, most=2),
    "planner.batches": partial(planner.batches, lengths=[2, 1], batch=2, cost=COST),
    "padded_over_real": partial(planner.padded_over_real, lengths=[3, 1], split=planner.split([3, 1])),
    "planner.ideal": partial(planner.ideal, lengths=[2, 1], steps=3, floor_rows=1.0),
    "planner.fit": partial(planner.fit, samples=SAMPLES),
    "train": partial(training.train, **TAGGER, optimiser="sgd", framework="reference", build=None, function=None),
    "training.check_training": partial(
        training.check_training, **TAGGER, optimiser="sgd", framework="pytorch", build=None, function=None
    ),
    "training.growth": partial(training.growth, **TAGGER, optimiser="sgd"),
    "training.envelope": partial(training.envelope, **TAGGER, copies=1),
    "training.plan": partial(training.plan, steps=1, seed=0),
    "training.curves": partial(training.curves, steps=1, seed=0),
    "divergences.find": partial(divergences.find, name="loss.denominator"),
    "divergences.snippets": partial(divergences.snippets, entries=["loss.denominator"]),
    "divergences.try_out": partial(divergences.try_out, DIVERGENCES["loss.denominator"], framework="pytorch"),
    "divergences.try_out of": partial(divergences.try_out, divergence=None, framework="pytorch"),
    "sweep.plan": partial(sweep.plan, operations=["rnn.gru"], dtypes=["float32"], seeds=1, first=0),
    "mutants.plan": partial(mutants.plan, mutants=["rnn.lengths_short_by_one"]),
    "advise.Layer": partial(
        lambda lengths, steps, **layer: advise.Layer(**layer).race(lengths, steps),
        **LSTM,
        lengths=[2, 1],
        steps=3,
        features=2,
        hidden=3,
    ),
    "advise.Model": partial(advise.Model({"pytorch.packed": COST}).seconds, "pytorch.packed", lengths=[2, 1], steps=3),
    "advise.Model of": partial(advise.Model({"pytorch.packed": COST}).seconds, name="pytorch.packed", lengths=[2, 1]),
    "advise.regret": partial(advise.regret, predicted="a", measured={"a": 1.0, "b": 2.0}),
    "data.lengths": partial(data.lengths, name="speeches"),
    "data.sample_batch": partial(data.sample_batch, name="speeches", rng=RNG, count=2, dtype="float32"),
    "data.words": partial(data.words, text="a b"),
    "frameworks.missing": partial(frameworks.missing, framework="reference"),
    "report.writable": partial(report.writable, folder="report"),
}


@pytest.mark.parametrize("name", CALLS)
@EACH
@given(st.data())
def test_a_wrong_call_is_refused_in_one_sentence(name: str, data: st.DataObject) -> None:
    call = CALLS[name]
    wrong = data.sample_batch(st.sets(st.sampled_from(sorted(call.keywords)), min_size=1, max_size=2))
    given_ = {argument: data.sample_batch(spoilt(call.keywords[argument])) for argument in sorted(wrong)}
    with refused_in_one_sentence():
        call(**given_)


@given(st.data())
def test_a_spoilt_record_is_refused_in_one_sentence_or_shown(data: st.DataObject) -> None:
    wrong = data.sample_batch(spoilt(small_record(), JSON))
    with refused_in_one_sentence():
        report.write(report.current(wrong), "report")


def said_by(*arguments: str) -> tuple[int, str]:
    """The exit status of a command, and what it wrote to stderr."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        try:
            status = main(arguments)
        except SystemExit as left:  # argparse leaves by itself
            status = int(str(left.code))
    return status, said.getvalue()


DAMAGE = st.binary(max_size=3) | st.sampled_from([b"NaN", b"1e999", b"[" * 100_000, b"null", b'"', b"\\ud800", b"\xff"])


@given(st.integers(0, 10**6), st.integers(0, 99), DAMAGE)
def test_a_damaged_report_is_refused_in_one_line_or_shown(at: int, gone: int, instead: bytes) -> None:
    whole = json.dumps(small_record()).encode()
    at %= len(whole)
    Path("damaged.json").write_bytes(whole[:at] + instead + whole[at + gone :])
    status, said = said_by("report", "damaged.json", "--output", "report")
    assert (status, said.count("\n"), said[:24]) == (2, 1, "parity: error: record: g") or (status, said) == (1, "")


@given(st.binary(max_size=9) | st.text("0123456789 ,.-e+_", max_size=30).map(str.encode))
def test_any_file_of_lengths_is_refused_in_one_sentence_or_read(content: bytes) -> None:
    Path("lengths").write_bytes(content)
    with refused_in_one_sentence():
        assert len(read_lengths("lengths"))


OPTIONS = {
    "check": [
        "--operation",
        "--framework",
        "--variant",
        "--dtype",
        "--contract",
        "--seed",
        "--jobs",
        "--full",
        "--nope",
    ],
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
def test_wrong_options_are_refused_in_one_line(data: st.DataObject) -> None:
    command = data.sample_batch(st.sampled_from(list(OPTIONS)))
    words = data.sample_batch(
        st.lists(st.sampled_from(OPTIONS[command]) | TEXT | st.integers(-2, 10**30).map(str), max_size=4)
    )
    status, said = said_by(command, *words, *NEVER_RUN[command])
    assert (status, said.count("\n"), said[:14]) == (2, 1, "parity: error:")
