"""Check models in PyTorch: no false alarm for good ones; nothing missed and the layer named for bad ones."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import numpy as np
import pytest

import parity

torch = pytest.importorskip("torch")

from parity.models.checking import chosen_contracts  # noqa: E402
from tests.full_runs import every_other, full_run  # noqa: E402
from tests.pytorch_mistakes import BAD, Normalised  # noqa: E402
from tests.pytorch_models import FEATURES, GOOD, TOKENS, Encoder, H  # noqa: E402


def made(make: Any, scale: float = 1.0) -> Any:
    """Make a model whose weights are some times as large as usual."""
    torch.manual_seed(0)
    model = make()
    with torch.no_grad():
        for parameter in model.parameters():
            if not torch.nn.parameter.is_lazy(parameter):
                parameter.mul_(scale)
    return model


SATURATED = ("packed LSTM", "post-norm", "attention", "attention pooling", "decoder", "a loss of packed steps")


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        pytest.param(name, scale, marks=full_run if number % 2 else ())
        for scale, names in ((1.0, GOOD), (15.0, SATURATED))
        for number, name in enumerate(names)
    ],
)
def test_a_good_model_holds(name: str, scale: float) -> None:
    good = GOOD[name]
    verdict = parity.check_model(made(good.make, scale), good.inputs, seeds=1, **good.options)
    assert verdict, str(verdict)
    assert len(verdict.passed) >= 4
    assert not [note for note in verdict.notes if "float32" in note or "not compared" in note]


def raises(model: Any, batch: Any) -> Any:
    raise RuntimeError("no such thing")


def exits(model: Any, batch: Any) -> Any:
    os._exit(0)


def gives_nan(model: Any, batch: Any) -> Any:
    return model(batch.x) * torch.nan


FAILS = {
    "gives NaN on real steps: output": gives_nan,
    "raised RuntimeError: no such thing": raises,
    "raised Exited: it called os._exit(0)": exits,
    "raised Exited: it called sys.exit(3)": lambda _, batch: sys.exit(3),
    "raised AttributeError: a batch has no 'input_ids'; it has ": lambda model, batch: model(batch.input_ids),
}


@pytest.mark.parametrize("sentence", FAILS)
def test_a_model_that_does_not_run_is_one_sentence(sentence: str) -> None:
    verdict = parity.check_model(torch.nn.Linear(7, 2), FEATURES, call=FAILS[sentence])
    first, second = str(verdict).split("\n")
    begins = "gives NaN" if sentence.startswith("gives NaN") else "cannot be run"
    assert (bool(verdict), first) == (False, f"✗ Linear (pytorch) {begins}")
    assert second.startswith(f"  repeatable (float32): {sentence}")


NETWORK = torch.nn.Linear(7, 2)
WRONG: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "model: got a function with a module of its own, Linear": (lambda x: NETWORK(x), FEATURES, {}),
    "model: got a function with a module of its own, GRU": (torch.nn.GRU(7, 2).forward, FEATURES, {}),
    "model: got a class that takes arguments, <class 'torch.nn.": (torch.nn.Linear, FEATURES, {}),
    "model: got 3, expected an nn.Module, a Keras model": (3, FEATURES, {}),
    "inputs: got 3, expected parity.inputs(…) or": (NETWORK, 3, {}),
    "framework: got a function that uses neither framework by name, expected ": (lambda x: x, FEATURES, {}),
    "loss: got 3, expected something that can be called": (NETWORK, FEATURES, {"loss": 3}),
    "training: got 'yes', expected True or False": (NETWORK, FEATURES, {"training": "yes"}),
    "expected_failures: got 'x', expected reasons": (NETWORK, FEATURES, {"expected_failures": "x"}),
    "seeds: got 0, expected a whole number": (NETWORK, FEATURES, {"seeds": 0}),
    "framework: got 'tensorflow' for Linear": (NETWORK, FEATURES, {"framework": "tensorflow"}),
    "contracts: got 'zz', expected one of ": (NETWORK, FEATURES, {"contracts": ["zz"]}),
    "layouts: got 'packed' for a model that reads": (NETWORK, FEATURES, {"layouts": ["packed"]}),
    "outputs: got output with axes ., expected": (NETWORK, FEATURES, {"call": lambda model, batch: model.bias}),
}


class Cached(torch.nn.Linear):
    """Keeps its last result, which `copy.deepcopy` refuses to copy."""

    def forward(self, x: Any) -> Any:
        self.last = super().forward(x)
        return self.last


class CopiesToItself(torch.nn.Linear):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


def cached() -> Any:
    model = Cached(7, 2)
    model(torch.zeros(1, 7))
    return model


COPIED: dict[str, Any] = {
    "TorchScript": lambda: torch.jit.script(torch.nn.Sequential(torch.nn.Linear(7, 3), torch.nn.Tanh())),
    "weight_norm": lambda: torch.nn.utils.weight_norm(torch.nn.Linear(7, 2)),
    "a cached activation": cached,
}


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.filterwarnings("ignore")
def test_a_module_that_deepcopy_refuses_is_judged_in_float64(name: str) -> None:
    verdict = parity.check_model(COPIED[name](), FEATURES, seeds=1, call=lambda model, batch: model(batch.x))
    assert verdict
    assert verdict.notes == ()


def test_a_module_that_cannot_be_copied_is_taken_from_a_factory() -> None:
    def made_here() -> Any:
        return CopiesToItself(7, 2)

    assert parity.check_model(made_here, FEATURES, seeds=1)
    with pytest.raises(parity.InputError, match="model: got a module that cannot be copied"):
        parity.check_model(CopiesToItself(7, 2), FEATURES, seeds=1)


def leaves_traces(model: Any, batch: Any) -> Any:
    sys.path.insert(0, "there")
    os.environ["THERE"] = "1"
    logging.getLogger().setLevel(1)
    sys.setrecursionlimit(5000)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(3)
    torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    raise RuntimeError("after all of that")


def test_the_process_is_restored_after_an_exception() -> None:
    def state() -> Any:
        hooks = len(torch.nn.modules.module._global_forward_hooks)
        numbers = logging.getLogger().level, sys.getrecursionlimit(), torch.get_num_threads(), hooks
        return list(sys.path), dict(os.environ), signal.getsignal(signal.SIGTERM), numbers

    before = state()
    assert not parity.check_model(torch.nn.Linear(7, 2), FEATURES, call=leaves_traces, seeds=1)
    assert state() == before


IDS = np.array([[5, 7], [3, 0]])
ODD: dict[str, Any] = {
    "padding['x']: got 'y', expected a whole number": lambda: parity.batch(x=IDS, lengths=[2, 1], padding={"x": "y"}),
    "padding: got 'y', expected one of: x": lambda: parity.batch(x=IDS, lengths=[2, 1], padding={"y": 0}),
    "x: got NaN or inf on real steps": lambda: parity.batch(x=np.full((2, 2, 3), np.nan), lengths=[2, 1]),
    "x: got -7, expected ids from 0": lambda: parity.batch(x=-IDS, lengths=[2, 1]),
    "x: got 1099511627783, expected ids": lambda: parity.batch(x=IDS + 2**40, lengths=[2, 1]),
    "x: got shape (2, 2, 0)": lambda: parity.batch(x=np.zeros((2, 2, 0)), lengths=[2, 1]),
    "inputs: got the name 'mask'": lambda: parity.inputs(mask=parity.tokens(3)),
    "scale: got 0.0, expected": lambda: parity.features(3, scale=0),
}


@pytest.mark.parametrize("sentence", ODD)
def test_an_odd_input_is_one_sentence(sentence: str) -> None:
    with pytest.raises(parity.InputError) as raised:
        ODD[sentence]()
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_argument_is_one_sentence(sentence: str) -> None:
    model, inputs, options = WRONG[sentence]
    with pytest.raises(parity.InputError) as raised:
        parity.check_model(model, inputs, **options)
    assert str(raised.value).startswith(sentence)


def test_an_output_that_is_not_compared_is_noted() -> None:
    def some(model: Any, batch: Any) -> Any:
        return batch.x[:, int(batch.x[0, 0, 0] > 0) :, :3][:, : batch.x.shape[1] // 3 * 2 - 3], batch.x

    verdict = parity.check_model(torch.nn.Linear(7, 2), FEATURES, call=some, seeds=1)
    assert "not compared, for axes that are neither rows nor steps: output.0" in verdict.notes


def by_the_mask(_: Any, batch: Any) -> Any:
    return (batch.x * batch.mask[..., None]).sum(1)


def by_the_lengths(_: Any, batch: Any) -> Any:
    real = torch.arange(batch.x.shape[1]) < batch.lengths[:, None]
    return (batch.x * real[..., None]).sum(1)


def by_the_value(_: Any, batch: Any) -> Any:
    return (batch.x * (batch.x != 0).any(2, keepdim=True)).sum(1)


ON_THE_LEFT = 'layouts=["left"] tries padding on the left'
BY_VALUE = parity.inputs(x=parity.features(3, known_by_value=True))


@pytest.mark.parametrize(
    ("call", "inputs", "options", "is_reported"),
    [
        pytest.param(by_the_mask, FEATURES, {}, True, id="a mask"),
        pytest.param(by_the_mask, FEATURES, {"layouts": ["holes"]}, True, id="a mask with holes"),
        pytest.param(by_the_value, BY_VALUE, {}, True, id="a value"),
        pytest.param(by_the_lengths, FEATURES, {}, False, id="lengths, which tell one side only"),
        pytest.param(by_the_mask, FEATURES, {"layouts": ["left"]}, False, id="padding on the left, tried"),
        pytest.param(by_the_mask, FEATURES, {"contracts": ["repeatable"]}, False, id="a contract by name"),
    ],
)
def test_padding_on_the_left_that_was_not_tried_is_reported(
    call: Any, inputs: Any, options: Any, is_reported: bool
) -> None:
    verdict = parity.check_model(torch.nn.Linear(7, 2), inputs, call=call, seeds=1, **options)
    assert verdict, verdict
    assert (f"\n  not tried: same_on_either_side ({ON_THE_LEFT})" in str(verdict)) == is_reported
    assert ("same_on_either_side" in verdict.declined) == is_reported


def test_contracts_are_declined_in_training_with_the_layer() -> None:
    encoder, norm = made(lambda: Encoder()), made(lambda: Normalised(torch.nn.BatchNorm1d(H)))
    random = parity.check_model(encoder, TOKENS, seeds=1, training=True)
    assert (bool(random), random.results) == (False, ())
    assert "same_on_either_side" not in random.declined
    assert str(random).startswith("✗ Encoder: nothing was compared\n  not tried: repeatable, ")
    assert str(random).endswith(" (dropout is random in training, first in `layers.layers.0.self_attn`)"
        "\n  matched by name: input_ids=tokens, attention_mask=mask, position_ids=positions")  # fmt: skip
    coupled = parity.check_model(norm, FEATURES, seeds=1, training=True)
    assert "ignores_padding" in coupled.failed
    assert coupled.declined["independent_of_batchmates"] == "BatchNorm couples a batch in training, first in `norm`"


class Masked(Normalised):
    """Batch norm of what is 0 on padding; `excluding` leaves padding out of its statistics."""

    def __init__(self, excluding: bool, dropout: float = 0.0) -> None:
        super().__init__(torch.nn.BatchNorm1d(H))
        self.excluding, self.dropout = excluding, torch.nn.Dropout(dropout)

    def forward(self, x: Any, mask: Any) -> Any:
        h = self.dropout(self.first(x)) * mask[..., None]
        if not self.excluding:
            return self.norm(h.mT).mT
        return torch.zeros_like(h).masked_scatter(mask[..., None], self.norm(h[mask]))


UNTRIED = "in training, padding may count in the statistics of `norm`: training=True{} tries it"


@pytest.mark.parametrize("excluding", [True, False])
def test_padding_in_the_statistics_of_a_batch_shows_in_training(excluding: bool) -> None:
    """The same rows with more padding need no sequence alone; in evaluation, a note says what was not tried."""
    verdict = parity.check_model(made(lambda: Masked(excluding)), FEATURES, seeds=1, training=True)
    assert verdict.failed == (() if excluding else ("ignores_extra_padding",)), str(verdict)
    assert not [note for note in verdict.notes if "in training" in note]
    assert UNTRIED.format("") in parity.check_model(made(lambda: Masked(excluding)), FEATURES, seeds=1).notes
    random = parity.check_model(made(lambda: Masked(excluding, 0.5)), FEATURES, seeds=1)
    assert UNTRIED.format(", with a dropout of 0,") in random.notes


class Sorted(torch.nn.Module):
    """A recurrent layer over a batch that is sorted by length, whose states may be put back."""

    def __init__(self, put_back: bool) -> None:
        super().__init__()
        self.put_back, self.rnn = put_back, torch.nn.GRU(7, H, batch_first=True)

    def forward(self, x: Any, lengths: Any) -> Any:
        sizes, order = lengths.sort(descending=True)
        packed = torch.nn.utils.rnn.pack_padded_sequence(x[order], sizes, batch_first=True)
        state = self.rnn(packed)[1][0]
        return state[order.argsort()] if self.put_back else state


def test_rows_that_are_not_put_back_are_said_to_be_in_another_order() -> None:
    note = "the rows of output are right, in another order: sorted by length, and not put back?"
    verdict = parity.check_model(made(lambda: Sorted(False)), FEATURES, seeds=1)
    assert "independent_of_batchmates" in verdict.failed
    assert note in verdict.notes
    assert parity.check_model(made(lambda: Sorted(True)), FEATURES, seeds=1)
    wrong = parity.check_model(made(lambda: Masked(False)), FEATURES, seeds=1, training=True)
    assert note not in wrong.notes


class Answering(torch.nn.Module):
    """A model that returns its loss beside its outputs, in a dict, as those of transformers do."""

    def __init__(self, over_all: bool, alone: bool) -> None:
        super().__init__()
        self.over_all, self.alone, self.out = over_all, alone, torch.nn.Linear(7, H)

    def forward(self, x: Any, mask: Any) -> Any:
        y = self.out(x)
        losses = y.square().sum(2) * mask
        loss = losses.mean() if self.over_all else losses.sum() / mask.sum()
        return {"loss": loss} if self.alone else {"loss": loss, "logits": y}


@pytest.mark.parametrize("alone", [True, False])
def test_an_output_that_is_called_loss_is_the_loss(alone: bool) -> None:
    assert parity.check_model(made(lambda: Answering(False, alone)), FEATURES, seeds=1)
    verdict = parity.check_model(made(lambda: Answering(True, alone)), FEATURES, seeds=1)
    assert {"ignores_extra_padding", "independent_of_batchmates"} <= set(verdict.failed)
    assert "loss" in {one.quantity for one in verdict.results if one.status == "failed"}


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


def up_to(contract: str, options: dict[str, Any]) -> list[str]:
    """Return the contracts of the layouts up to one, which a model is the first to break."""
    every = chosen_contracts(options.get("layouts", ["padded"]), [])
    return every[: every.index(contract) + 1]


@pytest.mark.parametrize("name", every_other(BAD))
def test_a_bad_model_does_not_hold_and_the_layer_is_named(name: str) -> None:
    bad = BAD[name]
    tried = up_to(bad.breaks, bad.options)
    verdict = parity.check_model(made(bad.make), bad.inputs, seeds=1, contracts=tried, **bad.options)
    assert not verdict
    layer = verdict.first_difference.layer if verdict.first_difference else ""
    assert (verdict.failed[0], layer) == (bad.breaks, bad.layer), str(verdict)
    assert len(str(verdict).splitlines()) <= 12


class Compiled(torch.nn.Linear):
    def __init__(self, factor: float) -> None:
        super().__init__(3, 2)
        self.factor = factor

    def forward(self, x: Any) -> Any:
        y = super().forward(x)
        return y * self.factor if torch.compiler.is_compiling() else y


COMPILED = {
    "keeps same_when_compiled": lambda: Compiled(1.0),
    "differs when it is compiled": lambda: Compiled(1.001),
    "same_when_compiled (torch.compile makes no graph of it)": lambda: torch.nn.LSTM(3, 2, batch_first=True),
}


@pytest.mark.parametrize("sentence", COMPILED)
def test_a_compiled_model_is_compared_with_itself(sentence: str) -> None:
    options: dict[str, Any] = {"contracts": ["same_when_compiled"], "dtype": "float64", "seeds": 1}
    assert sentence in str(parity.check_model(COMPILED[sentence](), parity.inputs(x=parity.features(3)), **options))
