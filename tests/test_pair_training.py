"""Train pairs of models: right ones stay equal, and a difference of convention is named once it explains all of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import parity
from parity.errors import InputError

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from parity.divergences import find  # noqa: E402
from parity.pairs.rules import NAMED  # noqa: E402
from parity.pairs.training_causes import ENTRIES  # noqa: E402
from tests import pairs_of_models as m  # noqa: E402
from tests.full_runs import full_run, some  # noqa: E402

T, K = torch.optim, keras.optimizers
ONCE: dict[str, Any] = {"transfer": "left to right", "seeds": 1, "contracts": ["same_function"], "dtype": "float64"}


def checked(left: Any, right: Any, **options: Any) -> Any:
    return parity.check_pair(left, right, m.FEATURES, **{**ONCE, **options})


def perceptrons() -> Any:
    return m.stirred(m.Perceptron()), m.perceptron()


ALWAYS = {"adam", "adam's epsilon", "coupled decay", "momentum of statistics", "right to left"}


@pytest.fixture(autouse=True)
def _prepared() -> None:
    m.same_weights()


@pytest.mark.parametrize("name", some(NAMED, set(NAMED) - ALWAYS))
def test_a_right_pair_agrees_after_training_with_a_named_optimiser(name: str) -> None:
    verdict = checked(*perceptrons(), steps=3, optimiser=name)
    assert verdict, str(verdict)
    assert "after 3 steps of training all weights agree to" in str(verdict)


@full_run
def test_a_right_pair_agrees_in_float32_too() -> None:
    assert checked(*perceptrons(), steps=5, optimiser="adam", dtype="float32")


EQUAL: dict[str, Any] = {
    "sgd": (lambda p: T.SGD(p, lr=0.1, momentum=0.9), lambda: K.SGD(0.1, momentum=0.9)),
    "nesterov": (lambda p: T.SGD(p, lr=0.1, momentum=0.9, nesterov=True), K.SGD(0.1, momentum=0.9, nesterov=True)),
    "a function of the module": (lambda module: T.SGD(module.parameters(), lr=0.3), K.SGD(0.3)),
    "adadelta": (lambda p: T.Adadelta(p, lr=1, rho=0.95, eps=1e-6), K.Adadelta(1.0, rho=0.95, epsilon=1e-6)),
    "adamw with equal epsilon of 0": (
        lambda p: T.AdamW(p, eps=0, weight_decay=0.1),
        K.AdamW(epsilon=0, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", some(EQUAL, set(EQUAL) - ALWAYS))
def test_optimisers_of_the_same_mathematics_agree(name: str) -> None:
    verdict = checked(*perceptrons(), steps=3, optimiser=EQUAL[name])
    assert verdict, str(verdict)


DIFFERENT: dict[str, Any] = {  # optimisers, and the cause in words
    "adam's epsilon": (
        (T.Adam, K.Adam),
        "epsilon is 1e-08 beside the corrected root left, 1e-07 beside the uncorrected root right;",
    ),
    "adamw": ((T.AdamW, K.AdamW), "weight decay is 0.01 left, 0.004 right"),
    "coupled decay": (
        (lambda p: T.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1), K.SGD(0.1, momentum=0.9, weight_decay=0.1)),
        "weight decay is 0.1 added to the gradient left, 0.1 taken off the weight right; without it",
    ),
    "rmsprop": (
        (lambda p: T.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-7), K.RMSprop(0.01)),
        "epsilon is 1e-07 outside of the root left, 1e-07 inside the root right; without it",
    ),
    "adagrad": (
        (lambda p: T.Adagrad(p, lr=0.01, eps=1e-7), K.Adagrad(0.01)),
        "initial accumulator is 0 left, 0.1 right",
    ),
    "nadam": (
        (lambda p: T.NAdam(p, lr=0.01, eps=1e-7), K.Nadam(0.01)),
        "momentum decay is 0.004 left, 1 right; without it",
    ),
    "adamax": (
        (lambda p: T.Adamax(p, lr=0.01, eps=1e-7), K.Adamax(0.01)),
        "in the maximum left, 1e-07 beside the maximum",
    ),
    "rate": ((lambda p: T.SGD(p, lr=0.1), K.SGD(0.2)), "learning rate is 0.1 left, 0.2 right; without it"),
    "kind": ((T.SGD, K.Adam), "the optimiser is sgd left, adam right; without it"),
    "clipping": ((lambda p: T.SGD(p, lr=0.1), K.SGD(0.1, clipnorm=0.1)), "not clipped left, clipnorm 0.1 right"),
}


@pytest.mark.parametrize("name", some(DIFFERENT, set(DIFFERENT) - ALWAYS))
def test_a_convention_of_optimisers_is_named(name: str) -> None:
    optimiser, cause = DIFFERENT[name]
    verdict = checked(*perceptrons(), steps=2, optimiser=optimiser)
    assert verdict.same_function is False
    assert "weights differ after step " in str(verdict)
    assert cause in verdict.cause, str(verdict)


def test_an_optimiser_of_the_users_module_may_lack_parameters() -> None:
    left, right = perceptrons()
    verdict = checked(left, right, steps=2, optimiser=(T.SGD(left.two.parameters(), lr=0.1), K.SGD(0.1)))
    assert "`one.weight` and 1 more are not in the optimiser left" in verdict.cause, str(verdict)


@full_run
def test_an_optimiser_that_nothing_is_known_about_is_no_cause() -> None:
    class Own(T.SGD):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.sub_(parameter.grad.sign(), alpha=0.01)

    verdict = checked(*perceptrons(), steps=2, optimiser=(Own, K.SGD(0.001)))
    assert verdict.same_function is False
    assert not verdict.cause


class Recurrent(torch.nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.RNN(m.D, m.H, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.rnn(x)[0]


def recurrent() -> Any:
    return keras.Sequential([keras.Input((None, m.D), name="x"), m.L.SimpleRNN(m.H, return_sequences=True, name="rnn")])


@full_run
def test_two_biases_learn_twice_as_fast_with_the_frameworks_own_optimisers() -> None:
    pair = m.stirred(Recurrent()), recurrent()
    verdict = checked(*pair, steps=2, optimiser=(lambda p: T.SGD(p, lr=0.01), K.SGD(0.01)))
    assert "`rnn.bias_ih_l0` and `rnn.bias_hh_l0` left are two biases" in verdict.cause, str(verdict)
    assert "optimiser.two_biases" in verdict.cause


@pytest.mark.parametrize("name", some(["left to right", "right to left"], {"left to right"}))
def test_two_biases_are_trained_as_one_with_a_named_optimiser(name: str) -> None:
    verdict = checked(m.stirred(Recurrent()), recurrent(), steps=2, optimiser="adam", transfer=name)
    assert verdict, str(verdict)
    assert "are trained as one" in str(verdict)


class Kept(torch.nn.Module):  # type: ignore[name-defined, misc]
    """A batch norm of somebody's own, with statistics as Keras keeps them."""

    def __init__(self, stays: float = 0.99) -> None:
        super().__init__()
        self.weight, self.bias = (torch.nn.Parameter(torch.full((m.D,), value)) for value in (1.0, 0.0))
        self.register_buffer("running_mean", torch.zeros(m.D))
        self.register_buffer("running_var", torch.ones(m.D))
        self.stays = stays

    def forward(self, x: Any) -> Any:
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = x.mean((0, 1)), x.var((0, 1), unbiased=False)
            for buffer, value in ((self.running_mean, mean), (self.running_var, variance)):
                buffer.mul_(self.stays).add_(value.detach() * (1 - self.stays))
        return (x - mean) / torch.sqrt(variance + 1e-3) * self.weight + self.bias


class Framed(torch.nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm, self.out = norm, torch.nn.Linear(m.D, m.C)

    def forward(self, x: Any) -> Any:
        native = isinstance(self.norm, torch.nn.BatchNorm1d)
        return self.out(self.norm(x.transpose(1, 2)).transpose(1, 2) if native else self.norm(x))


def framed(**options: Any) -> Any:
    norm = m.L.BatchNormalization(name="norm", **options)
    return keras.Sequential([keras.Input((None, m.D), name="x"), norm, m.L.Dense(m.C, name="out")])


def native(**options: Any) -> Any:
    return Framed(torch.nn.BatchNorm1d(m.D, eps=1e-3, **options))


STATISTICS: dict[str, Any] = {
    "momentum of statistics": (
        lambda: Framed(Kept()),
        {"momentum": 0.01},
        "momentum of `norm` right is 0.01, that left amounts to 0.99",
    ),
    "unbiased": (lambda: native(momentum=0.01), {}, "the running variance of `norm` left is unbiased"),
    "both": (native, {}, "momentum of `norm` right is 0.99, that left amounts to 0.9"),
}


@pytest.mark.parametrize("how", [{"training": True}, {"steps": 2, "optimiser": "sgd"}], ids=["training", "steps"])
@pytest.mark.parametrize("name", some(STATISTICS, set(STATISTICS) - ALWAYS))
def test_moving_statistics_are_compared_after_training(name: str, how: dict[str, Any]) -> None:
    make, options, cause = STATISTICS[name]
    verdict = checked(m.stirred(make()), framed(**options), **how)
    assert verdict.same_function is False
    assert cause in verdict.cause, str(verdict)


@full_run
def test_equal_statistics_are_no_difference() -> None:
    assert checked(m.stirred(Framed(Kept(0.01))), framed(momentum=0.01), steps=1, optimiser="adam")
    assert checked(m.stirred(native()), native(), steps=2, optimiser=(T.Adam, T.Adam))


def test_a_difference_of_momentum_does_not_show_in_the_mode_of_inference() -> None:
    assert checked(m.stirred(Framed(Kept())), framed(momentum=0.01))


@full_run
def test_both_models_keep_their_weights_and_optimisers() -> None:
    left, right = m.stirred(native()), framed()
    optimiser = K.Adam(0.01)
    before = [t.clone() for t in left.state_dict().values()], [v.numpy() for v in right.variables]
    checked(left, right, steps=2, optimiser=(T.Adam(left.parameters()), optimiser))
    assert all(torch.equal(a, b) for a, b in zip(before[0], left.state_dict().values(), strict=True))
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(before[1], right.variables, strict=True))
    assert int(optimiser.iterations) == 0
    assert not left.training


def test_a_cause_refers_to_an_entry_that_exists() -> None:
    assert {find(name).name for name in ENTRIES.values()} == set(ENTRIES.values())


OPTIMISERS: dict[str, Any] = {  # of both frameworks, each of which is to be like a rule
    "SGD": ({"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True}),
    "Adam": ({"amsgrad": True, "weight_decay": 0.1}, {"amsgrad": True, "weight_decay": 0.1}),
    "AdamW": ({}, {"clipnorm": 0.5}),
    "NAdam": ({"weight_decay": 0.1, "decoupled_weight_decay": True}, {}),
    "Adamax": ({"eps": 0.1}, {"epsilon": 0.1}),
    "RMSprop": ({"momentum": 0.9, "centered": True, "eps": 0.1}, {"momentum": 0.9, "centered": True, "epsilon": 0.1}),
    "Adagrad": ({"lr_decay": 0.1, "eps": 0.1}, {"epsilon": 0.1, "global_clipnorm": 0.5}),
    "Adadelta": ({"eps": 0.1}, {"epsilon": 0.1, "clipvalue": 0.2}),
}


@pytest.mark.parametrize("side", [0, 1], ids=["pytorch", "tensorflow"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_rule_moves_weights_as_the_optimiser_does(optimiser: str, side: int) -> None:
    from parity.pairs import keras_training, pytorch_training
    from parity.pairs.keras_exact import Constants, exact_constants

    options = OPTIMISERS[optimiser][side]
    if side == 0:
        model = SimpleNamespace(model=torch.nn.Linear(3, 2).double())
        own = pytorch_training.Optimiser(lambda p: getattr(T, optimiser)(p, **options), model, "float64")
        names = list(own.parameters)
    else:
        layer = keras.layers.Dense(2, dtype="float64")
        layer.build((None, 3))
        made = getattr(K, optimiser.replace("NAdam", "Nadam"))(**options)
        own = keras_training.Optimiser(made, SimpleNamespace(layer=layer, model=layer), "float64")
        names = list(own.variables)
    with exact_constants(Constants({})):
        rng, rule = np.random.default_rng(0), own.rule()
        shapes = dict(zip(names, [(2, 3), (2,)] if side == 0 else [(3, 2), (2,)], strict=True))
        weights = expected = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        for _ in range(3):
            gradients = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
            weights, expected = rule.step(weights, gradients), own.step(expected, gradients)
    for name in names:
        np.testing.assert_allclose(weights[name], expected[name], rtol=1e-12, atol=1e-14)


BAD: dict[str, Any] = {
    "steps alone": ({"steps": 2}, "optimiser: got None"),
    "an optimiser alone": ({"optimiser": "sgd"}, "steps: got 0"),
    "an unknown name": ({"steps": 1, "optimiser": "adma"}, "'adam'"),
    "one of a pair": ({"steps": 1, "optimiser": T.Adam}, "a tuple of two"),
    "no optimiser": ({"steps": 1, "optimiser": (lambda p: 3, K.SGD(0.1))}, "a torch.optim optimiser"),
    "one of the other framework": ({"steps": 1, "optimiser": (K.SGD(0.1), K.SGD(0.1))}, "a torch.optim optimiser"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_wrong_arguments_are_refused(wrong: str) -> None:
    options, expected = BAD[wrong]
    with pytest.raises(InputError, match=expected):
        checked(*perceptrons(), **options)
