"""Run mutants of our own: a right change survives, and a stale one is reported with its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib.resources import files

import pytest

from parity import frameworks, mutants
from parity.checks.contracts import CONTRACTS
from parity.mutants import MUTANTS, Mutant, catalogue, run_mutant
from parity.operations import OPERATIONS

REVERSED = Mutant(
    name="test.reversed_with_the_padding",
    operation="bidirectional.reverse_sequence",
    subject="pytorch.gather",
    mistake="The padding is reversed too.",
    location="bidirectional.reverse_sequence",
    before="x.gather(1, mirrored[:, :, None].expand_as(x))",
    after="x.flip(1)",
    killed_by="ignores_padding",
)


def test_a_mutant_is_killed_with_its_margin(pytorch: str) -> None:
    result = run_mutant(REVERSED)
    assert (result.status, result.case, result.mode) == ("killed", "features/ragged", "eager")
    assert {"ignores_padding", "matches_reference"} <= set(result.kills)
    assert result.kills["ignores_padding"].margin is None  # exact: no limit of which it could be a multiple


SURVIVORS = {
    "an equal change": ({"after": f"({REVERSED.before})"}, "survived", "no contract killed it on any case"),
    "text that is not there": ({"before": "x.flop(1)"}, "stale", "stands 0 times in reverse_sequence of pytorch/bidir"),
    "text that is there twice": ({"before": "lengths"}, "stale", "times in reverse_sequence"),
    "a function that is not there": ({"location": "bidirectional.flip"}, "stale", "stands 0 times in flip"),
    "a file that is not there": ({"location": "nowhere.flip"}, "stale", "there is no pytorch/nowhere.py"),
    "another contract": ({"killed_by": "repeatable"}, "stale", "and its entry says repeatable"),
}


@pytest.mark.parametrize("survivor", SURVIVORS)
def test_a_change_that_is_no_mutant_is_not_killed(survivor: str, pytorch: str) -> None:
    changed, status, reason = SURVIVORS[survivor]
    result = run_mutant(replace(REVERSED, **changed))
    assert result.status == status
    assert reason in result.reason


def test_a_run_leaves_the_framework_unchanged(pytorch: str) -> None:
    import sys

    from parity.pytorch import bidirectional

    before = sys.modules["parity.pytorch.bidirectional"]
    run_mutant(REVERSED)
    assert sys.modules["parity.pytorch.bidirectional"] is before is bidirectional


def test_a_missing_framework_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "unavailable", lambda framework: (f"framework {framework}: not here", False))
    assert (run_mutant(REVERSED).status, run_mutant(REVERSED).reason) == ("skipped", "framework pytorch: not here")


def test_a_worker_that_died_kills_no_mutant() -> None:
    (result,) = mutants.plan()[0].on_crash("the worker process died")
    assert (result.status, result.reason) == ("survived", "the worker process died")


def test_every_mutant_is_a_change_of_a_variant_that_exists() -> None:
    assert len(MUTANTS) == sum(len(topic.MUTANTS) for topic in catalogue.TOPICS)  # no name twice
    for mutant in MUTANTS.values():
        assert mutant.variant in OPERATIONS[mutant.operation].variants[mutant.framework], mutant.name
        assert mutant.killed_by in CONTRACTS, mutant.name
        assert mutant.before != mutant.after, mutant.name


def test_every_mutant_applies_to_the_source_as_it_stands() -> None:
    """Find at once what the run of all mutants finds after minutes."""
    for mutant in MUTANTS.values():
        mutant.mutated((files(f"parity.{mutant.framework}") / f"{mutant.file}.py").read_text(encoding="utf-8"))


def test_every_contract_of_a_default_run_kills_a_mutant_in_both_frameworks() -> None:
    """Leave out modes, of which only TensorFlow has several, and contracts that have runs of their own."""
    killers = Counter((mutant.killed_by, mutant.framework) for mutant in MUTANTS.values())
    default = [
        contract.name
        for contract in CONTRACTS.values()
        if not contract.takes_long and not contract.recorded and not contract.from_mode
    ]
    assert {(name, framework) for name in default for framework in frameworks.FRAMEWORKS} <= set(killers)
    assert killers["same_in_every_mode", "tensorflow"] > 1
