"""Check pairs of models from the command line, and as tests made by ``@parity.pair``."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from parity import report
from parity.pairs.verdict import PairVerdict

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

MODELS = """
import torch
import parity

class Norm(torch.nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.norm = torch.nn.LayerNorm(3, eps)

    def forward(self, features):
        return self.norm(features)

def one():
    return Norm(1e-5)

def other():
    return Norm(1e-3)

@parity.pair(parity.inputs(features=parity.features(3)), transfer="left to right", seeds=1, contracts=["repeatable"])
def test_port():
    return one(), other()
"""


def test_each_contract_is_a_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODELS)
    run = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--parity-report", "port")
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines_random(
        ["*::test_port[[]same_function] FAILED*", "*eps is 1e-05 left, 0.001 right; with 0.001*"]
    )
    (verdict,) = report.read(pytester.path / "port").own.values()
    assert isinstance(verdict, PairVerdict)
    assert [layer.left for layer in verdict.layers if layer.differs] == ["norm"]
    assert verdict.failed == ("same_function",)


@pytest.mark.parametrize(("right", "status", "said"), [("one", 0, "✓ the same"), ("other", 1, "✗ not the same")])
def test_the_command_prints_the_verdict(pytester: pytest.Pytester, right: str, status: int, said: str) -> None:
    pytester.makepyfile(models=MODELS)
    options = ("--features", "3", "--transfer", "left-to-right", "--seeds", "1", "--output", "port")
    run = pytester.run("python", "-m", "parity", "pair", "models:one", f"models:{right}", *options)
    assert run.ret == status
    run.stdout.fnmatch_lines([f"{said} function*", "*index.html*"])
    assert list(report.read(pytester.path / "port").own) == [f"models:one = models:{right}"]
