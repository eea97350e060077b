"""Catch small errors, and notice where a change makes the checks less sensitive."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from parity import InputError
from parity.__main__ import main
from parity.arrays import DTYPES
from parity.caching import clear_caches
from parity.checks import sensitivity
from parity.checks.sensitivity import GRID, SLACK, Sensitivity, smallest_failing
from parity.operations import OPERATIONS
from parity.report.html import render_page
from parity.report.view import arrange
from tests.factories import report_of, result
from tests.full_runs import full_run

PUBLISHED = sensitivity.published()


IN_TURN = [(operation, DTYPES[place % 2]) for place, operation in enumerate(OPERATIONS)]
OTHERS = [pytest.param(*one, marks=full_run) for one in product(OPERATIONS, DTYPES) if one not in IN_TURN]


@pytest.mark.parametrize(("operation", "dtype"), [*IN_TURN, *OTHERS])
def test_no_operation_is_half_as_sensitive_as_published(operation: str, dtype: str) -> None:
    found = {one.quantity: one.smallest for one in sensitivity.sensitivity(operation, dtype)}
    before = {key[1]: value for key, value in PUBLISHED.items() if key[::2] == (operation, dtype)}
    assert found.keys() == before.keys(), "renew parity/checks/sensitivity.txt"
    assert {name for name, value in found.items() if value > SLACK * before[name]} == set()
    clear_caches()


@pytest.mark.parametrize("floor", [1e-9, 1e-6])
def test_the_smallest_error_is_that_of_the_limit(floor: float) -> None:
    """Reach 64 floors in one number of many, where the norm is far from its limit."""
    expected, floors = np.ones(100), np.full(100, 1.0)
    floors[0] = floor
    failing = smallest_failing(expected, floors, "float64")
    assert 64 * floor <= failing <= 64 * floor * 2**0.25 * 1.001


def test_what_never_fails_has_a_sensitivity_of_1() -> None:
    assert smallest_failing(np.ones(3), np.full(3, 10.0), "float64") == GRID[-1] == 1.0


def test_the_command_prints_lines_that_can_be_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--sensitivity", "--operation", "pooling.mean", "--jobs", "1"]) == 0
    (y, d_x) = capsys.readouterr().out.splitlines()
    assert y.split()[:2] == ["pooling.mean", "y"]
    values = {PUBLISHED["pooling.mean", "d_x", dtype] for dtype in DTYPES}
    assert set(map(float, d_x.split()[2:])) == values


def test_one_dtype_leaves_the_other_column_empty() -> None:
    (line,) = sensitivity.lines([Sensitivity("pooling.mean", "float64", "y", 1e-15)])
    assert line.split() == ["pooling.mean", "y", "-", "1.0e-15"]


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(InputError, match=r"^operation: got 'pooling.men', expected 'pooling.mean'"):
        sensitivity.plan(["pooling.men"])


def test_a_page_shows_those_of_the_operations_that_were_checked() -> None:
    page = render_page(arrange(report_of(result(operation="pooling.mean"), result(operation="my.function"))))
    _, _, shown = page.partition('<details id="sensitivity">')
    cells = re.findall(r"<td>(.*?)</td>", shown.partition("</details>")[0])
    assert cells == ["pooling.mean", *sensitivity.ranges()["pooling.mean"]]
