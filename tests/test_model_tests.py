"""Make tests of models and functions with decorators: names, skips, expected failures, and a part of the report."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from parity import report
from tests.full_runs import full_run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

MODELS = """
import torch
import parity

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)

    def forward(self, x, mask):
        return self.head((x * mask[..., None]).mean(1))

inputs = parity.inputs(x=parity.features(3))

@parity.model(inputs, seeds=1)
def test_mean():
    return Mean()

@parity.model(inputs, seeds=1, contracts=["ignores_extra_padding", "repeatable"],
    expected_failures={"ignores_extra_padding": "it divides by T", "repeatable": "it is random"})
def test_expected():
    return Mean()

@parity.model(parity.inputs(tokens=parity.tokens(9)), seeds=1, contracts=["zero_gradient_at_padding"])
def test_tokens():
    return torch.nn.Embedding(9, 2)
"""


def test_each_contract_is_a_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODELS)
    run = pytester.runpytest_subprocess("-v", "-rsx", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=7, failed=3, skipped=1, xfailed=1)
    run.stdout.fnmatch_lines_random(
        [
            "*::test_mean[[]ignores_padding] PASSED*",
            "*::test_mean[[]ignores_extra_padding] FAILED*",
            "*::test_mean[[]independent_of_batchmates] FAILED*",
            "*::test_expected[[]ignores_extra_padding] XFAIL*",
            "*::test_expected[[]repeatable] FAILED*",
            "✗ Mean (pytorch) depends on how much padding there is: *before `head` (Linear)",
            "*repeatable (float64): holds, but was expected to fail: it is random",
            "SKIPPED*no input has a gradient",
        ]
    )


FUNCTIONS = """
import parity

@parity.function("bidirectional.reverse_sequence", "pytorch", contracts=["repeatable", "ignores_padding"])
def test_reverse():
    return lambda x, lengths: {"y": x.flip(1)}

@parity.model(parity.inputs(x=parity.features(3)))
def test_elsewhere():
    import torch.no_such_part

def test_by_hand(parity_report):
    model = parity.check_model(lambda x: x * 2, parity.inputs(x=parity.features(2)), framework="pytorch", seeds=1)
    assert parity_report(model)
    assert parity_report(model) is model
"""


def test_results_of_every_kind_are_in_the_report_that_was_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_functions=FUNCTIONS)
    options = ("-v", "-p", "no:cacheprovider", "-k", "not independent", "--parity-report", "there")
    run = pytester.runpytest_subprocess(*options)  # in this process, torch would be loaded twice, and crash
    run.assert_outcomes(passed=2, failed=1, skipped=8)
    run.stdout.fnmatch_lines_random(["*test_reverse[[]ignores_padding] FAILED*", "1 of 28 checks failed; * results"])
    finished = report.read(pytester.path / "there")
    own = finished.own
    assert list(own) == [
        *(f"test_functions.py::{name}" for name in ("test_reverse", "test_elsewhere", "test_by_hand")),
        "test_functions.py::test_by_hand (2)",
    ]
    assert own["test_functions.py::test_reverse"].failed == ("ignores_padding",)
    assert own["test_functions.py::test_reverse"].passed == ("repeatable",)
    assert set(own["test_functions.py::test_elsewhere"].declined.values()) == {"No module named 'torch.no_such_part'"}
    assert finished.summary.checks["skipped"] == len(own["test_functions.py::test_elsewhere"].declined) + 2


@pytest.mark.parametrize("options", [(), pytest.param(("-p", "no:padding_parity_plugin"), marks=full_run)])
def test_without_a_report_nothing_is_written(options: tuple[str, ...], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODELS)
    run = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-k", "test_tokens", *options)
    run.assert_outcomes(skipped=1)
    assert "parity" not in run.stdout.str().replace("padding_parity", "")
    assert not (pytester.path / "parity-pytest").exists()


@full_run
def test_tests_in_another_process_make_one_verdict(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(test_models=MODELS)
    command = ("-q", "-n", "1", "-p", "no:cacheprovider", "-k", "test_expected", "--parity-report", "there")
    assert pytester.runpytest_subprocess(*command).ret == pytest.ExitCode.TESTS_FAILED
    own = report.read(pytester.path / "there").own
    (expected,) = (verdict for name, verdict in own.items() if name.endswith("test_expected"))
    assert {result.contract: result.status for result in expected.results} == {
        "ignores_extra_padding": "xfailed",
        "repeatable": "failed",
    }


MADE = """
import parity

inputs = parity.inputs(x=parity.features(3))

@parity.pair(inputs, contracts=["same_function"])
def test_one_of_two():
    return len

@parity.function("pooling.mean", "pytorch", contracts=["repeatable"])
def test_nothing():
    pass
"""


def test_a_decorated_function_that_returns_something_else_fails_with_one_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MADE)
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    run.assert_outcomes(failed=2)
    run.stdout.fnmatch_lines(
        [
            "*InputError: models: got <built-in function len>, expected a tuple of two, which the decorated function*",
            "*InputError: function: got None, expected something that can be called",
        ]
    )


RAISING = """
import parity

calls = []

@parity.model(parity.inputs(x=parity.features(3)), contracts=["ignores_padding", "repeatable", "keeps_inputs"])
def test_raising():
    calls.append(1)
    raise ValueError("no weights here")

def test_it_was_called_once():
    assert len(calls) == 1
"""


def test_a_factory_that_raises_is_called_once_and_its_error_shown_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RAISING)
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    run.assert_outcomes(passed=1, failed=3)
    assert run.stdout.str().count('raise ValueError("no weights here")') == 1
    line = "test_raising raised ValueError: no weights here: its first test shows where"
    assert run.stdout.str().splitlines().count(line) == 2
