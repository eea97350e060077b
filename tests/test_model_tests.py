"""Make tests of a model with ``@parity.model``: one for each contract, with names, skips and expected failures."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

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
    run.assert_outcomes(passed=5, failed=3, skipped=1, xfailed=1)
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
