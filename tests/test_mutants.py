"""The run for mutants, checked too: it kills nothing where there is no mutant, and says why it did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from parity import frameworks, mutants
from parity.checks.contracts import CONTRACTS
from parity.mutants import MUTANTS, Mutant
from parity.mutants.run import run_mutant
from parity.operations import OPERATIONS
from parity.training.verdict import CONTRACT as TRAINS_ALIKE

REVERSED = Mutant(
    name="test.reversed_with_the_padding",
    operation="bidirectional.reverse_sequence",
    subject="pytorch.gather",
    what="The padding is reversed too.",
    place="bidirectional.reverse_sequence",
    before="x.gather(1, mirrored[:, :, None].expand_as(x))",
    after="x.flip(1)",
    by="ignores_padding",
)


def test_a_mutant_is_killed_with_its_margin(pytorch: str) -> None:
    outcome = run_mutant(REVERSED)
    assert (outcome.status, outcome.case, outcome.mode) == ("killed", "features/ragged", "eager")
    assert {"ignores_padding", "matches_reference"} <= set(outcome.by)
    assert outcome.by["ignores_padding"].margin is None  # exact: there is no limit of which it could be a multiple


STRAY = {
    "an equal change": (
        {"after": f"({REVERSED.before})"},
        "survived",
        "no contract killed it on any case",
    ),
    "text that is not there": ({"before": "x.flop(1)"}, "stale", "stands 0 times in reverse_sequence of pytorch/bidir"),
    "text that is there twice": ({"before": "lengths"}, "stale", "times in reverse_sequence"),
    "a function that is not there": ({"place": "bidirectional.flip"}, "stale", "stands 0 times in flip"),
    "a file that is not there": ({"place": "nowhere.flip"}, "stale", "there is no pytorch/nowhere.py"),
    "another contract": ({"by": "repeatable"}, "stale", "and its entry says repeatable"),
}


@pytest.mark.parametrize("stray", STRAY)
def test_what_is_no_mutant_is_not_caught(stray: str, pytorch: str) -> None:
    changed, status, reason = STRAY[stray]
    outcome = run_mutant(replace(REVERSED, **changed))
    assert outcome.status == status
    assert reason in outcome.reason


def test_the_framework_is_as_before_when_the_run_is_over(pytorch: str) -> None:
    import sys

    from parity.pytorch import bidirectional

    before = sys.modules["parity.pytorch.bidirectional"]
    run_mutant(REVERSED)
    assert sys.modules["parity.pytorch.bidirectional"] is before is bidirectional


def test_a_missing_framework_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "missing", lambda framework: f"framework {framework}: not here")
    assert (run_mutant(REVERSED).status, run_mutant(REVERSED).reason) == ("skipped", "framework pytorch: not here")


def test_a_lost_worker_leaves_no_mutant_caught() -> None:
    (outcome,) = mutants.plan()[0].lost("the worker process died")
    assert (outcome.status, outcome.reason) == ("survived", "the worker process died")


def test_every_mutant_is_a_change_of_a_variant_that_exists() -> None:
    assert len(MUTANTS) == sum(len(topic.MUTANTS) for topic in mutants.TOPICS)  # no name twice
    for mutant in MUTANTS.values():
        assert mutant.variant in OPERATIONS[mutant.operation].variants[mutant.framework], mutant.name
        assert mutant.by in {*CONTRACTS, TRAINS_ALIKE}, mutant.name
        assert mutant.before != mutant.after, mutant.name


def test_every_contract_of_a_default_run_is_put_to_the_test_in_both_frameworks() -> None:
    """Graphs are TensorFlow's alone; compilers and records are for other runs."""
    tried = Counter((mutant.by, mutant.framework) for mutant in MUTANTS.values())
    default = [one for one in CONTRACTS.values() if not one.compiled and not one.recorded and not one.from_mode]
    assert {(contract.name, framework) for contract in default for framework in frameworks.FRAMEWORKS} <= set(tried)
    assert tried["same_in_every_mode", "tensorflow"] > 1
