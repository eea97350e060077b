"""Check pairs whose weights are computed in each run: `weight_norm`, old and new, `spectral_norm`, pruning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import parity
from parity.errors import InputError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, prune  # noqa: E402

from tests.full_runs import full_run  # noqa: E402
from tests.pairs_of_models import stirred  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")

D, H = 3, 4
INPUTS = parity.inputs(x=parity.features(D), lengths=parity.lengths(batch=3, longest=4))
ONLY: Any = {"seeds": 1, "contracts": ["same_function"], "dtype": "float64"}
NORMS: dict[str, Any] = {
    "older weight_norm": nn.utils.weight_norm,
    "weight_norm": parametrizations.weight_norm,
    "of the whole": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "plain": lambda layer: layer,
}


class Two(nn.Module):
    """Two dense layers, the first of which may have computed weights."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.one, self.two = norm(nn.Linear(D, H)), nn.Linear(H, 2)

    def forward(self, x: Any) -> Any:
        return self.two(torch.tanh(self.one(x)))


def two(name: str = "plain") -> Any:
    return stirred(Two(NORMS[name]))


def pair(left: Any, right: Any, **options: Any) -> Any:
    return parity.check_pair(left, right, INPUTS, **{"transfer": "left to right"} | ONLY | options)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("older weight_norm", "weight_norm"),
        pytest.param("weight_norm", "older weight_norm", marks=full_run),
        pytest.param("of the whole", "of the whole", marks=full_run),
    ],
)
def test_the_length_and_the_direction_are_carried_and_trained(left: str, right: str) -> None:
    verdict = pair(two(left), two(right), steps=2, optimiser="adam")
    assert verdict, str(verdict)
    assert "after 2 steps of training all weights agree" in str(verdict)


def slowly(parameters: Any) -> Any:
    return torch.optim.Adam(parameters, eps=1e-3)


@pytest.mark.parametrize(
    ("left", "right"), [("weight_norm", "plain"), pytest.param("plain", "older weight_norm", marks=full_run)]
)
def test_a_weight_that_is_computed_on_one_side_only_is_trained_otherwise(left: str, right: str) -> None:
    verdict = pair(two(left), two(right), steps=1, optimiser=(slowly, torch.optim.Adam))
    own = "left" if right == "plain" else "right"
    assert verdict.first_difference.where == "training", str(verdict)
    assert f"`one.weight` is computed {own} from parameters that are trained in place of it; " in verdict.cause
    assert "epsilon is 0.001 left, 1e-08 right; without these all weights agree" in verdict.cause


def test_its_gradient_is_compared_in_the_layout_of_the_other_side() -> None:
    class Stopped(Two):
        def forward(self, x: Any) -> Any:
            return self.two(torch.tanh(nn.functional.linear(x, self.one.weight.detach(), self.one.bias)))

    right = stirred(Stopped(NORMS["weight_norm"]))
    verdict = pair(two(), right)
    assert verdict.first_difference.where == "gradients", str(verdict)
    assert verdict.first_difference.left == "one.weight"
    assert "a gradient is stopped right" in verdict.cause


def test_one_of_which_a_part_is_frozen_is_not_trained() -> None:
    left = two("weight_norm")
    left.one.parametrizations.weight.original0.requires_grad_(False)
    verdict = pair(left, two("weight_norm"))
    assert verdict.cause.startswith("`one.weight` is frozen left"), str(verdict)


def test_neither_model_is_changed_while_weights_are_read() -> None:
    def copy(source: Any, target: Any) -> None:
        with torch.no_grad():
            target.one.weight.copy_(source.one.weight)
            target.one.bias.copy_(source.one.bias)
            target.two.load_state_dict(source.two.state_dict())

    for name in ("older weight_norm", "weight_norm"):
        model = two(name)
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        found = parity.transfer_weights(model, two(), inputs=INPUTS, transfer=copy)
        assert not found.differing, str(found)
        assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
        assert not parity.transfer_weights(model, two(), inputs=INPUTS).differing


REFUSED: dict[str, Any] = {
    "older spectral_norm": (nn.utils.spectral_norm, "SpectralNorm"),
    "spectral_norm": (parametrizations.spectral_norm, "SpectralNorm"),
    "pruning": (lambda layer: prune.l1_unstructured(layer, "weight", 3), "L1Unstructured"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_takes_no_weights_gives_them_only(name: str) -> None:
    make, kind = REFUSED[name]
    computed, plain = Two(make).eval(), two()
    assert pair(computed, plain)
    before = {key: tensor.clone() for key, tensor in computed.state_dict().items()}
    with pytest.raises(InputError, match=f"whose 'weight' is computed by {kind}, which gives others, expected a"):
        parity.transfer_weights(plain, computed, inputs=INPUTS)
    assert all(torch.equal(tensor, before[key]) for key, tensor in computed.state_dict().items())


def test_a_recording_has_its_gradients_too(tmp_path: Path) -> None:
    parity.record_model(two("weight_norm"), INPUTS, tmp_path, seeds=1)
    verdict = pair(tmp_path, two())
    assert verdict, str(verdict)


@full_run
def test_a_recurrent_layer_has_them_as_well() -> None:
    def tagger(norm: Any) -> Any:
        layer = nn.LSTM(D, H, batch_first=True)
        return stirred(Last(norm(layer, "weight_hh_l0") if norm else layer))

    class Last(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.rnn, self.head = layer, nn.Linear(H, 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x)[0])

    assert pair(tagger(nn.utils.weight_norm), tagger(parametrizations.weight_norm), steps=1, optimiser="sgd")
    assert pair(tagger(None), tagger(parametrizations.weight_norm))
