"""Check models in PyTorch: no false alarm for good ones; nothing missed and the layer named for bad ones."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

import parity

torch = pytest.importorskip("torch")

from tests.pytorch_models import BAD, FEATURES, GOOD, TOKENS, Encoder, H, Normalised  # noqa: E402


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


def raises(model: Any, batch: Any) -> Any:
    raise RuntimeError("no such thing")


def exits(model: Any, batch: Any) -> Any:
    os._exit(0)


FAILS = {
    "raised RuntimeError: no such thing": raises,
    "raised Exited: it called os._exit(0)": exits,
    "raised Exited: it called sys.exit(3)": lambda _, batch: sys.exit(3),
    "raised AttributeError: a batch has no 'input_ids'; it has ": lambda model, batch: model(batch.input_ids),
}


@pytest.mark.parametrize("sentence", FAILS)
def test_a_model_that_does_not_run_is_one_sentence(sentence: str) -> None:
    verdict = parity.check_model(torch.nn.Linear(7, 2), FEATURES, call=FAILS[sentence])
    first, second = str(verdict).split("\n")
    assert (bool(verdict), first) == (False, "✗ Linear (pytorch) cannot be run")
    assert second.startswith(f"  repeatable (float32): {sentence}")


def test_contracts_are_declined_in_training_with_the_layer() -> None:
    encoder, norm = made(lambda: Encoder()), made(lambda: Normalised(torch.nn.BatchNorm1d(H)))
    random = parity.check_model(encoder, TOKENS, seeds=1, training=True)
    assert (bool(random), random.results) == (False, ())
    assert str(random).startswith("✗ Encoder: nothing was compared\n  not tried: repeatable, ")
    assert str(random).endswith(" (dropout is random in training, first in `layers.layers.0.self_attn`)"
        "\n  matched by name: input_ids=tokens, attention_mask=mask, position_ids=positions")  # fmt: skip
    coupled = parity.check_model(norm, FEATURES, seeds=1, training=True)
    assert "ignores_padding" in coupled.failed
    assert coupled.declined["independent_of_batchmates"] == "BatchNorm couples a batch in training, first in `norm`"


def test_a_model_and_the_process_are_as_they_were() -> None:
    model = made(GOOD["mean"].make).train()
    model.register_buffer("counted", torch.zeros(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    parity.check_model(model, TOKENS, seeds=1)
    after = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    assert torch.equal(states[0], after[0])
    assert states[1:] == after[1:]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_does_not_hold_and_the_layer_is_named(name: str) -> None:
    bad = BAD[name]
    verdict = parity.check_model(made(bad.make), bad.inputs, seeds=1, **bad.options)
    assert not verdict
    assert (verdict.failed[0], verdict.first_difference.layer) == (bad.breaks, bad.layer), str(verdict)
    assert len(str(verdict).splitlines()) <= 12
