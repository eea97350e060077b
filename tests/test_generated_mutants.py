"""Generate mutants by operators: each changes one place, and what hides behind a size is killed too."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

import parity
from parity.__main__ import main
from parity.errors import InputError
from parity.frameworks import FRAMEWORKS
from parity.mutants import KILLED
from parity.mutants.equivalents import EQUIVALENT
from parity.mutants.generating import CONDITIONS, GeneratedTask, _by_operators, _conditional, _every, generate, named
from parity.mutants.reaching import NOT_LOADED_AGAIN, definitions, places, reached
from parity.mutants.run import SURVIVED, run_generated
from parity.operations import OPERATIONS
from tests.full_runs import full_run

ROOT = Path(parity.__file__).parent
KINDS = {"arithmetic", "bound", "comparison", "constant", "gradient", "name", "negation", "selection"}


def test_every_definition_is_reached(framework: str) -> None:
    """Expect no file to be left out, so that a mutant may be anywhere."""
    files_of = {file.stem for file in (ROOT / framework).glob("*.py")} - {"__init__", "optimiser", NOT_LOADED_AGAIN}
    defined = {(file, name) for file in files_of for name in definitions(framework, file)}
    assert defined - places(framework).keys() == set()


@pytest.mark.parametrize(
    ("operation", "variant", "found", "left_out"),
    [
        ("rnn.lstm", "packed", {("rnn", "packed"), ("rnn", "run")}, {("rnn", "padded"), ("rnn", "CELLS")}),
        ("rnn.lstm", "bucketed", {("rnn", "padded"), ("buckets", "bucketed")}, {("rnn", "packed")}),
        ("rnn.gru", "real_steps", {("packing", "GRU"), ("packing", "Layout")}, {("packing", "LSTM")}),
        ("bidirectional.merged", "packed", {("bidirectional", "MERGES"), ("rnn", "run")}, {("rnn", "packed")}),
    ],
)
def test_tables_and_other_files_are_followed(
    operation: str, variant: str, found: set[tuple[str, str]], left_out: set[tuple[str, str]]
) -> None:
    """Expect of a table only what is asked for: the variant, and the cell of the operation."""
    place = set(reached(OPERATIONS[operation], "pytorch", variant))
    assert found <= place
    assert not left_out & place


def test_a_mutant_may_be_in_a_table_or_in_a_class() -> None:
    locations = {mutant.location for mutant in _by_operators()}
    assert {"bidirectional.MERGES", "packing.Layout", "packing.RealSteps", "packing.LSTM"} <= locations
    (average,) = (mutant for mutant in _by_operators() if "(ahead - back) / 2" in mutant.after)
    assert (average.operation, average.subject) == ("bidirectional.merged", "pytorch.packed")


@full_run
def test_there_are_some_of_every_kind_in_both_frameworks() -> None:
    for framework in FRAMEWORKS:
        kinds = {mutant.mistake for mutant in _every() if mutant.framework == framework}
        lacking = {"bound"} if framework == "tensorflow" else set()  # its bounds are no keywords
        assert kinds == KINDS - lacking | {f"conditional, {condition}" for condition in CONDITIONS}


@pytest.mark.parametrize("step", [pytest.param(1, marks=full_run), 9])
def test_each_can_be_made_and_compiles(step: int) -> None:
    for mutant in _every()[::step]:
        source = (files(f"parity.{mutant.framework}") / f"{mutant.file}.py").read_text(encoding="utf-8")
        changed = mutant.mutated(source)
        assert changed != source
        compile(changed, mutant.name, "exec")


def test_each_equivalent_would_be_generated() -> None:
    made = {(mutant.location, mutant.after) for mutant in _by_operators()}
    made |= {tuple(mutant.name.split(", ")) for mutant in _conditional()}
    assert EQUIVALENT.keys() <= made


def test_a_condition_is_on_the_batch() -> None:
    """Expect none in a step, whose own ``x`` is (B, D)."""
    by_hand = {mutant.name.partition(", ")[0] for mutant in _conditional()}
    assert "cells.input_not_normalised" not in by_hand
    assert {"cells.states_of_the_packed_rows", "pooling.last_column"} <= by_hand


def test_a_seed_gives_the_same_sample_and_another_one_another() -> None:
    assert generate(9, 1) == generate(9, 1) != generate(9, 2)
    assert len({mutant.name for mutant in generate(99_999)}) == len(_every())
    assert named(generate(1)[0].name) == generate(1)[0]
    for wrong in (0, -1, None):
        with pytest.raises(InputError, match="generated: got"):
            generate(wrong)  # type: ignore[arg-type]


CONDITIONAL = ("pooling.last_column, above four rows", "pooling.nan_in_the_sum, past a byte of steps")


@pytest.mark.parametrize("name", CONDITIONAL)
def test_what_hides_behind_a_size_is_killed(name: str, pytorch: str) -> None:
    (result,) = GeneratedTask(name).run()
    assert result.status == KILLED, result.reason
    assert result.case.partition("/")[2] in ("many_rows", "long", "descending", "many_steps", "tied", "large_square")


def test_one_that_computes_the_same_survives(pytorch: str) -> None:
    from dataclasses import replace

    mutant = named("pooling.last_column, above four rows")
    assert run_generated(replace(mutant, after=f"({mutant.before})"), ["indexed"]).status == SURVIVED


def test_the_command_prints_shares_and_survivors(pytorch: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--generated", "1", "--seed", "3", "--jobs", "1"]) in (0, 1)
    assert "of 1 generated mutant killed" in capsys.readouterr().out
    assert main(["mutants", "pooling", "--generated", "1"]) == 2
    assert "name: got 'pooling', expected none beside --generated" in capsys.readouterr().err
