"""The hunt for planted faults, checked too: it catches nothing where there is no fault, and says why it did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from parity import frameworks
from parity import mutants as faults
from parity.checks.contracts import CONTRACTS
from parity.mutants import FAULTS, Fault
from parity.mutants.run import hunt
from parity.operations import OPERATIONS
from parity.training.verdict import CONTRACT as TRAINS_ALIKE

REVERSED = Fault(
    name="test.reversed_with_the_padding",
    operation="bidirectional.reverse_sequence",
    subject="pytorch.gather",
    what="The padding is reversed too.",
    place="bidirectional.reverse_sequence",
    before="x.gather(1, mirrored[:, :, None].expand_as(x))",
    after="x.flip(1)",
    by="ignores_padding",
)


def test_a_fault_is_caught_with_its_margin(pytorch: str) -> None:
    outcome = hunt(REVERSED)
    assert (outcome.status, outcome.case, outcome.mode) == ("caught", "features/ragged", "eager")
    assert {"ignores_padding", "matches_reference"} <= set(outcome.by)
    assert outcome.by["ignores_padding"].margin is None  # exact: there is no limit of which it could be a multiple


STRAY = {
    "an equal change": (
        {"after": f"({REVERSED.before})"},
        "survived",
        "no contract caught it on any case",
    ),
    "text that is not there": ({"before": "x.flop(1)"}, "stale", "stands 0 times in reverse_sequence of pytorch/bidir"),
    "text that is there twice": ({"before": "lengths"}, "stale", "times in reverse_sequence"),
    "a function that is not there": ({"place": "bidirectional.flip"}, "stale", "stands 0 times in flip"),
    "a file that is not there": ({"place": "nowhere.flip"}, "stale", "there is no pytorch/nowhere.py"),
    "another contract": ({"by": "repeatable"}, "stale", "and its entry says repeatable"),
}


@pytest.mark.parametrize("stray", STRAY)
def test_what_is_no_fault_is_not_caught(stray: str, pytorch: str) -> None:
    changed, status, reason = STRAY[stray]
    outcome = hunt(replace(REVERSED, **changed))
    assert outcome.status == status
    assert reason in outcome.reason


def test_the_framework_is_as_before_when_the_hunt_is_over(pytorch: str) -> None:
    import sys

    from parity.pytorch import bidirectional

    before = sys.modules["parity.pytorch.bidirectional"]
    hunt(REVERSED)
    assert sys.modules["parity.pytorch.bidirectional"] is before is bidirectional


def test_a_missing_framework_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "missing", lambda framework: f"framework {framework}: not here")
    assert (hunt(REVERSED).status, hunt(REVERSED).reason) == ("skipped", "framework pytorch: not here")


def test_a_lost_worker_leaves_no_fault_caught() -> None:
    (outcome,) = faults.plan()[0].lost("the worker process died")
    assert (outcome.status, outcome.reason) == ("survived", "the worker process died")


def test_every_fault_is_a_change_of_a_variant_that_exists() -> None:
    assert len(FAULTS) == sum(len(topic.FAULTS) for topic in faults.TOPICS)  # no name twice
    for fault in FAULTS.values():
        assert fault.variant in OPERATIONS[fault.operation].variants[fault.framework], fault.name
        assert fault.by in {*CONTRACTS, TRAINS_ALIKE}, fault.name
        assert fault.before != fault.after, fault.name


def test_every_contract_of_a_default_run_is_put_to_the_test_in_both_frameworks() -> None:
    """Graphs are TensorFlow's alone; compilers and records are for other runs."""
    tried = Counter((fault.by, fault.framework) for fault in FAULTS.values())
    default = [one for one in CONTRACTS.values() if not one.compiled and not one.recorded and not one.from_mode]
    assert {(contract.name, framework) for contract in default for framework in frameworks.FRAMEWORKS} <= set(tried)
    assert tried["same_in_every_mode", "tensorflow"] > 1
