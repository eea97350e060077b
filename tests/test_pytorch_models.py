"""Check models in PyTorch: no false alarm for good ones; nothing missed and the layer named for bad ones."""

from __future__ import annotations

from typing import Any

import pytest

import parity

torch = pytest.importorskip("torch")

from tests.pytorch_models import BAD, GOOD  # noqa: E402


def made(make: Any, scale: float = 1.0) -> Any:
    """Make a model whose weights are some times as large as usual."""
    torch.manual_seed(0)
    model = make()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


@pytest.mark.parametrize("scale", [1.0, 15.0])
@pytest.mark.parametrize("name", GOOD)
def test_a_good_model_holds(name: str, scale: float) -> None:
    good = GOOD[name]
    verdict = parity.check_model(made(good.make, scale), good.inputs, seeds=1, **good.options)
    assert verdict, str(verdict)
    assert len(verdict.passed) >= 5


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_does_not_hold_and_the_layer_is_named(name: str) -> None:
    bad = BAD[name]
    verdict = parity.check_model(made(bad.make), bad.inputs, seeds=1, **bad.options)
    assert not verdict
    assert (verdict.failed[0], verdict.first_difference.layer) == (bad.breaks, bad.layer), str(verdict)
    assert len(str(verdict).splitlines()) <= 12
