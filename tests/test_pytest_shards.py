"""Divide the tests of pytest into shards, in test runs of its own."""

from __future__ import annotations

from collections import Counter

import pytest

from parity import report
from parity.report import Report
from parity.report.merging import merge
from tests.full_runs import full_run
from tests.test_shards import without_times

pytest_plugins = ["pytester"]

STUB = """
    import os
    import random
    from msgspec.structs import replace
    from parity.checks import selection
    from parity.checks.check import Check
    variants = [("rnn.lstm", "packed"), ("masking.mask_frames", "where")]
    contracts = ("matches_reference", "repeatable", "ignores_padding", "follows_permutation")
    checks = [
        Check(operation, "pytorch", variant, "float32", contract)
        for operation, variant in variants for contract in contracts
    ]
    selection.plan = lambda **_: checks
    def run(check):  # needs no framework
        return [replace(check.result("eager", "features/ragged", "passed"), compared=1)]
    Check.run = run
    def pytest_collection_modifyitems(items):
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(8)
        random.Random(run).shuffle(items)  # in another order in each run
"""
TESTS = """
    import pytest
    def test_contract(parity_results): pass
    def test_again(parity_results): pass
    @pytest.mark.parametrize("number", range(9))
    def test_many(number): pass
    def test_one(): pass
    def test_two(): pass
"""
ALL = 2 * 8 + 9 + 2


def outcomes(pytester: pytest.Pytester, *options: str) -> Counter[str]:
    """Run pytest in this process' folder, and count the tests that ran by name."""
    run = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--parity-jobs", "1", *options)
    assert run.ret == 0, run.stdout.str() + run.stderr.str()
    return Counter(word for line in run.outlines if "PASSED" in line for word in line.split() if "::test_" in word)


def test_shards_are_a_partition_and_merge_to_the_report_of_one_run(pytester: pytest.Pytester) -> None:
    """Shuffle the tests, too, and run one check in two tests: both are in the same shard, also under xdist."""
    pytester.makepyfile(TESTS)
    pytester.makeconftest(STUB)
    whole = outcomes(pytester, "--parity-report", "whole")
    first, second, under_xdist = (
        outcomes(
            pytester, "-n", processes, "--parity-shard", f"{number}/2", "--parity-report", f"part{number}{processes}"
        )
        for number, processes in ((1, "0"), (2, "0"), (2, "2"))
    )
    assert first + second == whole
    assert (sum(whole.values()), len(whole)) == (ALL, ALL)
    assert min(first.total(), second.total()) > ALL / 4
    assert under_xdist.total() == second.total()
    expected = without_times(report.read(pytester.path / "whole"))
    for other in ("part20", "part22"):
        merged = merge([pytester.path / "part10", pytester.path / other])
        assert merged.missing == ()
        assert without_times(merged.report) == expected


def parts(pytester: pytest.Pytester) -> list[Report]:
    return [report.read(folder) for folder in sorted(pytester.path.glob("part*"))]


@full_run
def test_a_shard_without_a_test_passes_and_has_a_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_contract(parity_results): pass")
    pytester.makeconftest(STUB)
    selected = ("-k", "mask_frames and repeatable")
    for processes in "01":
        shard = ("-n", processes, "--parity-shard", "2/2", "--parity-report", f"part{processes}")
        assert not outcomes(pytester, *selected, *shard)
    assert [one.summary.planned for one in parts(pytester)] == [0, 0]
    assert len({one.environment.shard.selection for one in parts(pytester) if one.environment.shard}) == 1


def test_a_selection_without_a_test_is_no_success(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")
    run = pytester.runpytest_subprocess("-k", "nothing", "--parity-shard", "1/2", "-p", "no:cacheprovider")
    assert run.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_tests_of_a_project_without_checks_are_divided_without_a_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('number', range(5))\ndef test_it(number): pass")
    assert sum(outcomes(pytester, "--parity-shard", "1/2").values()) in (2, 3)
    assert not (pytester.path / "parity-pytest").exists()
