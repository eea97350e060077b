"""Walk over every selection by operation, variant, mode, contract and dtype: all are green, or have a hint."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from zlib import crc32

import pytest

from parity import InputError, frameworks
from parity.arrays import FLOATS
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED
from parity.checks.selection import plan
from parity.checks.sentences import explain
from parity.frameworks import COMPILED, FRAMEWORKS, MODES
from parity.operations import OPERATIONS, ExpectedFailure
from tests.full_runs import full_run

QUICK = [row.name for row in OPERATIONS.values() if not any(one.stepwise or one.data for one in row.configurations)]


def selections(framework: str) -> list[Check]:
    """Return a check for each selection of a framework that the table allows: one mode of one dtype."""
    planned = plan(frameworks=[framework], dtypes=FLOATS, full=True)
    modes = (*MODES[framework], *COMPILED[framework])
    return [one for check, mode in product(planned, modes) if any((one := replace(check, mode=mode)).runs())]


def run(check: Check) -> None:
    if reason := frameworks.missing(check.framework):
        pytest.skip(reason)
    failure = explain(check.run())
    assert not failure, failure


def sampled(framework: str) -> list[Check]:
    """Return a selection for each contract, mode and dtype, of operations that take little time."""
    order = sorted(selections(framework), key=lambda check: crc32(f"{check}-{check.mode}".encode()))
    quick = [check for check in order if check.operation in QUICK and not CONTRACTS[check.contract].compiled]
    return list({(check.contract, check.mode, check.dtype): check for check in reversed(quick)}.values())


def one_case(check: Check) -> Check:
    """Return the check of the first configuration and lengths that it tries."""
    config, lengths, _ = next(check.runs())
    return replace(check, config=config.name, lengths=lengths)


@pytest.mark.parametrize(
    "check", [one for each in FRAMEWORKS for one in sampled(each)], ids=lambda one: f"{one}-{one.mode}"
)
def test_a_selection_is_green(check: Check) -> None:
    run(one_case(check))


@full_run
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_selection_is_green(framework: str) -> None:
    for check in selections(framework):
        run(check)


def expected_failures() -> list[Check]:
    """Return each contract on one case of every variant that cannot run in some mode."""
    found = {}
    for row, framework in product(OPERATIONS.values(), FRAMEWORKS):
        for variant, mode in product(row.variants[framework], MODES[framework]):
            place = f"{framework}.{variant}", f"{row.configurations[0].name}/ragged", mode, "float32"
            if not row.expected_failure(*place):
                continue
            for check in plan([row.name], [framework], [variant], ["float32"], mode=mode):
                if row.expected_failure(*place, check.contract):
                    found[row.function, variant, check.contract, mode] = one_case(check)
    return list(found.values())


@pytest.mark.parametrize("check", expected_failures(), ids=lambda one: f"{one}-{one.mode}")
def test_a_variant_that_cannot_run_in_a_mode_fails_as_expected(check: Check) -> None:
    run(check)
    run(check)


@pytest.mark.parametrize(("lengths", "status"), [("0,0:3", PASSED), ("0,2:3", XFAILED)])
def test_a_failure_is_expected_where_something_is_called_that_fails(lengths: str, status: str, pytorch: str) -> None:
    check = Check("cells.projected_lstm", "pytorch", "packed", "float32", "matches_reference", lengths=lengths)
    assert {result.status for result in replace(check, config="clipped").run()} == {status}


@pytest.mark.parametrize(("lengths", "status"), [("", FAILED), ("ragged", FAILED), ("3,0,1:3", PASSED)])
def test_an_expected_failure_that_is_over_fails_on_the_lengths_of_the_table(
    lengths: str, status: str, pytorch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = OPERATIONS["bidirectional.reverse_sequence"]
    over = (ExpectedFailure("pytorch.gather", "*", "not implemented", "it was not implemented"),)
    monkeypatch.setitem(OPERATIONS, row.name, replace(row, expected_failures=over))
    results = Check(row.name, "pytorch", "gather", "float32", "matches_reference", lengths=lengths, mode="eager").run()
    assert {result.status for result in results} == {status}
    assert all("is out of date" in result.detail for result in results if result.status == FAILED)


@pytest.mark.parametrize("chosen", [{"config": "improbable"}, {"lengths": "3,1:5"}])
def test_a_contract_that_applies_to_none_of_the_chosen_cases_is_skipped(chosen: dict[str, str], pytorch: str) -> None:
    checks = plan(["alignment.ctc"], ["pytorch"], dtypes=["float32"], contracts=["accepts_empty_sequences"], **chosen)
    results = [result for check in checks for result in check.run()]
    assert {(one.status, one.detail) for one in results} == {
        (SKIPPED, "nothing was compared: the case has no empty sequence")
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_graphs_in_float64_are_tried_with_every_variant(framework: str) -> None:
    """Find each variant of an operation; of recurrent ones in some operation of the topic; but none without a trace."""
    planned = plan(frameworks=[framework], dtypes=["float64"]) if "graph" in MODES[framework] else []
    tried = {(one.operation, one.variant) for one in planned for *_, mode in one.runs() if mode == "graph"}
    by_topic = {(name.partition(".")[0], variant) for name, variant in tried}
    for row in OPERATIONS.values() if planned else ():
        slow = any(config.stepwise or config.data for config in row.configurations)
        region = f"{row.configurations[0].name}/ragged"
        for variant in row.variants[framework]:
            refused = row.expected_failure(f"{framework}.{variant}", region, "graph", "float64")
            place = (row.topic, variant) if slow else (row.name, variant)
            assert refused or place in (by_topic if slow else tried), place


NOTHING = {
    "graphs in bfloat16": (
        {"mode": "graph", "dtypes": ["bfloat16"]},
        "mode 'eager', the only one that is tried in bfloat16",
    ),
    "special lengths in bfloat16": (
        {"lengths": "square", "dtypes": ["bfloat16"]},
        "lengths 'ragged', or lengths written out",
    ),
    "a contract that is not tried in float16": (
        {"contracts": ["repeatable"], "dtypes": ["float16"]},
        "one of the contracts that are tried in float16: matches_reference, ",
    ),
    "XLA in float64": (
        {"mode": "xla", "dtypes": ["float64"], "full": True},
        "dtype 'float32', the only one that is compiled",
    ),
    "XLA without asking": ({"mode": "xla"}, "mode 'xla' in a full run: --full"),
    "second derivatives of a graph": ({"mode": "graph", "contracts": ["second_derivatives"]}, "are tried: eager"),
    "a contract on lengths that it is not tried on": (
        {"contracts": ["repeatable"], "lengths": "many_steps", "operations": ["loss.cross_entropy"]},
        "lengths that the chosen contracts are tried on, ragged",
    ),
}


@pytest.mark.parametrize("what", NOTHING)
def test_a_selection_without_a_check_has_a_hint(what: str) -> None:
    selection, hint = NOTHING[what]
    with pytest.raises(InputError, match=re.escape(hint)):
        plan(**selection)  # type: ignore[arg-type]


def test_no_check_is_planned_without_a_run() -> None:
    for full in (False, True):
        assert all(any(check.runs()) for check in plan(full=full))
