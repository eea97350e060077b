"""Check pairs that users write in ways of their own: functions, several heads, ignored targets."""

from __future__ import annotations

from typing import Any

import pytest

import parity

torch = pytest.importorskip("torch")
nn = torch.nn

FEW = parity.lengths(batch=3, longest=4)
FEATURES = parity.inputs(x=parity.features(5), lengths=FEW)
SAME: dict[str, Any] = {"contracts": ["same_function"], "seeds": 1, "dtype": "float64"}


class Heads(nn.Module):
    """Two heads of one size, in either order of calls."""

    def __init__(self, reverse: bool = False) -> None:
        super().__init__()
        self.reverse = reverse
        self.body, self.first, self.second = nn.Linear(5, 3), nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        h = self.body(x).tanh()
        if self.reverse:
            end, start = self.first(h), self.second(h)
        else:
            start, end = self.first(h), self.second(h)
        return {"end": end, "start": start} if self.reverse else {"start": start, "end": end}


@pytest.mark.parametrize("reverse", [False, True])
def test_heads_are_paired_by_the_names_of_their_outputs(reverse: bool) -> None:
    torch.manual_seed(0)
    verdict = parity.check_pair(Heads(), Heads(reverse), FEATURES, transfer="left to right", **SAME)
    assert verdict, str(verdict)
    found = {row.left: row.right for row in verdict.table}
    assert found["first"] == ("second" if reverse else "first")


class Variance(nn.Module):
    """The variance over real steps, divided by one step less if it is unbiased; there are no weights."""

    def __init__(self, unbiased: bool) -> None:
        super().__init__()
        self.unbiased = unbiased

    def forward(self, x: Any, mask: Any) -> Any:
        real = mask[..., None]
        steps = real.sum(1)
        apart = (x - ((x * real).sum(1) / steps)[:, None]) * real
        return (apart * apart).sum(1) / ((steps - 1).clamp(min=1) if self.unbiased else steps)


def variance(x: Any, mask: Any) -> Any:
    real = torch.where(mask[..., None], 1.0, 0.0).to(x)
    mean = torch.einsum("bti,btj->bj", real, x) / real.sum(1)
    return torch.einsum("bti,btj->bj", real, (x - mean[:, None]) ** 2) / real.sum(1)


@pytest.mark.parametrize("left", [variance, Variance(False)])
@pytest.mark.parametrize("unbiased", [False, True])
def test_a_function_or_a_model_without_weights_is_compared(left: Any, unbiased: bool) -> None:
    verdict = parity.check_pair(left, Variance(unbiased), FEATURES, **SAME)
    assert verdict.same_function is not unbiased, str(verdict)


MODULE = nn.Linear(5, 2)
ODD: dict[str, Any] = {
    "left: got a function that uses neither framework by name, expected a model, or a function": lambda x: x,
    "model: got a function with a module of its own, Linear": lambda x: MODULE(x),
}


@pytest.mark.parametrize("sentence", ODD)
def test_a_function_that_cannot_be_compared_is_one_sentence(sentence: str) -> None:
    with pytest.raises(parity.InputError) as raised:
        parity.check_pair(ODD[sentence], Variance(False), FEATURES, **SAME)
    assert str(raised.value).startswith(sentence)


def of_real_targets(logits: Any, batch: Any) -> Any:
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=-1)


def of_all_steps(logits: Any, batch: Any) -> Any:
    each = nn.functional.cross_entropy(logits.mT, batch.target, ignore_index=-1, reduction="none")
    return each.mean()


def test_losses_that_ignore_a_class_are_recognised() -> None:
    inputs = parity.inputs(x=parity.features(5), target=parity.tokens(3, padding=-1), lengths=FEW)
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    verdict = parity.check_pair(model, model, inputs, loss=(of_real_targets, of_all_steps), **SAME)
    assert verdict.cause.startswith(
        "the loss left is the cross entropy, the mean over real steps, right the cross entropy"
    )
    assert "divided by all steps, padding included" in verdict.cause


class Attention(nn.Module):
    """Attention by one function, with the mask, without one, or with a causal one."""

    def __init__(self, masked: bool, causal: bool = False) -> None:
        super().__init__()
        self.masked, self.causal = masked, causal
        self.first, self.second = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x: Any, mask: Any) -> Any:
        h = self.first(x).unflatten(2, (2, 2)).transpose(1, 2)
        seen = mask[:, None, None] if self.masked else None
        y = nn.functional.scaled_dot_product_attention(h, h, h, attn_mask=seen, is_causal=self.causal)
        return self.second(y.transpose(1, 2).flatten(2))


CAUSES = {
    "mask of attention right: with True on real steps it agrees": ((True, False), (False, False)),
    "mask of attention right: with True on earlier steps it agrees": ((False, True), (False, False)),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_mask_of_attention_by_a_function_is_a_cause(cause: str) -> None:
    torch.manual_seed(0)
    left, right = (Attention(*options) for options in CAUSES[cause])
    verdict = parity.check_pair(left, right, FEATURES, transfer="left to right", **SAME)
    assert verdict.same_function is False
    assert verdict.cause.startswith(cause), str(verdict)
