"""Check pairs of models: right ones are the same function; wrong ones are not, with the layer and the cause."""

from __future__ import annotations

from typing import Any

import pytest

import parity

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from parity.divergences import find  # noqa: E402
from parity.pairs.causes import DIVERGENCES  # noqa: E402
from parity.pairs.losses import ENTRIES as LOSSES  # noqa: E402
from parity.pairs.pools import ENTRIES  # noqa: E402
from tests import pairs_of_models as m  # noqa: E402
from tests.full_runs import some  # noqa: E402

F = torch.nn.functional
ONLY = ("same_function",)
RIGHT: dict[str, Any] = {
    "functional tagger": (lambda: m.stirred(m.Tagger()), m.tagger, m.TOKENS, "left to right"),
    "subclassed last state": (lambda: m.stirred(m.Classifier()), m.Pooled, m.TOKENS, "left to right"),
    "subclassed mean": (lambda: m.stirred(m.Classifier("mean")), lambda: m.Pooled("mean"), m.TOKENS, "left to right"),
    "sequential convolutions": (lambda: m.stirred(m.Convolutions()), m.convolutions, m.FEATURES, "left to right"),
    "post-norm": (lambda: m.stirred(m.Block()), m.block, m.FEATURES, "left to right"),
    "gelu, rounded": (
        lambda: m.stirred(m.Block(activation="gelu")),
        lambda: m.block("gelu"),
        m.FEATURES,
        "left to right",
    ),
    "two of keras": (m.perceptron, m.perceptron, m.FEATURES, "right to left"),
    "two of pytorch": (m.Perceptron, m.Perceptron, m.FEATURES, "right to left"),
    "a transfer of one's own": (lambda: m.stirred(m.Perceptron()), m.perceptron, m.FEATURES, m.copied()),
}


SLOW = {  # recurrent layers in Keras take seconds each; others have a mistake of a kind that is there once more
    *("directions swapped", "same for causal", "gelu tanh", "leaky slope", "eps of batch norm", "softmax twice"),
    *("subclassed last state", "subclassed mean", "gelu, rounded", "no mask", "one bias", "not packed", "gates"),
    *("last column", "max and 0", "eps of layer norm", "gradient stopped", "no attention mask", "embedding frozen"),
    *("mean over T", "post-norm", "halves exchanged", "mask inverted", "pre-norm"),
}


@pytest.fixture(autouse=True)
def _prepared() -> None:
    m.same_weights()


@pytest.mark.parametrize("name", some(RIGHT, SLOW))
def test_a_right_pair_is_the_same_function(name: str) -> None:
    left, right, inputs, transfer = RIGHT[name]
    verdict = parity.check_pair(left(), right(), inputs, transfer=transfer, seeds=1, contracts=ONLY)
    assert verdict, str(verdict)
    assert verdict.same_function
    assert verdict.double < 1e-13


def tagger_pair(**options: Any) -> Any:
    return m.stirred(m.Tagger()), m.tagger(**options), m.TOKENS


def perceptron_pair(left: Any, right: str = "tanh") -> Any:
    return m.stirred(left), m.perceptron(right), m.FEATURES


def classifier_pair(pool: str, other: str) -> Any:
    return m.stirred(m.Classifier(pool)), m.Pooled(other), m.TOKENS


def convolution_pair(left: Any, **options: Any) -> Any:
    return m.stirred(left), m.convolutions(**options), m.FEATURES


def block_pair(left: Any, **options: Any) -> Any:
    return m.stirred(left), m.block(**options), m.FEATURES


WRONG: dict[str, Any] = {  # pair, transfer, where, cause
    "eps of layer norm": (
        lambda: tagger_pair(eps=1e-3),
        "",
        "`norm` = LayerNormalization `normal`",
        "eps is 1e-05 left",
    ),
    "no mask": (lambda: tagger_pair(mask_zero=False), "", "`both`", "mask of `both` right: with True on real steps"),
    "not packed": (
        lambda: (m.stirred(m.Tagger(packed=False)), m.tagger(), m.TOKENS),
        "",
        "`rnn`",
        "lengths of `rnn` left: with those of the batch",
    ),
    "halves exchanged": (
        lambda: (m.stirred(m.Tagger(reverse=True)), m.tagger(), m.TOKENS),
        "",
        "between `rnn` = `both` and `norm`",
        "the halves of its channels exchanged",
    ),
    "gates": (
        lambda: tagger_pair(recurrent_activation="hard_sigmoid"),
        "",
        "`both`",
        "recurrent_activation of `both` right is hard_sigmoid of Keras 3; with sigmoid",
    ),
    "directions swapped": (lambda: tagger_pair(), m.copied_tagger(swap=True), "`rnn`", "has what `both/backward"),
    "one bias": (lambda: tagger_pair(), m.copied_tagger(one_bias=True), "`rnn`", "lacks `rnn.bias_hh_l0`"),
    "last column": (lambda: classifier_pair("column", "last"), "", "`head`", "the last column"),
    "mean over T": (lambda: classifier_pair("over T", "mean"), "", "`head`", "the mean over all steps"),
    "max and 0": (lambda: classifier_pair("max and 0", "max"), "", "`head`", "the maximum over real steps and 0"),
    "gelu tanh": (
        lambda: convolution_pair(m.Convolutions(lambda x: F.gelu(x, approximate="tanh"))),
        "",
        "between",
        "gelu with tanh",
    ),
    "same for causal": (lambda: convolution_pair(m.Convolutions(), padding="same"), "", "`one`", "padding of `one`"),
    "eps of batch norm": (lambda: convolution_pair(m.Convolutions(eps=1e-5)), "", "`norm`", "eps is 1e-05 left"),
    "mask inverted": (lambda: block_pair(m.Block(invert=True)), "", "attention", "True on padding"),
    "no attention mask": (
        lambda: block_pair(m.Block(), masked=False),
        "",
        "attention",
        "mask of `attention` right: with True on real steps",
    ),
    "pre-norm": (lambda: block_pair(m.Block(norm_first=True)), "", "", "order of `block` left is pre-norm"),
    "activation": (lambda: perceptron_pair(m.Perceptron(torch.relu)), "", "`one`", "relu"),
    "leaky slope": (lambda: perceptron_pair(m.Perceptron(F.leaky_relu), "leaky_relu"), "", "`one`", "leaky_relu with"),
    "softmax twice": (
        lambda: perceptron_pair(m.Perceptron(lambda x: x.softmax(-1), between=lambda x: x.softmax(-1)), "softmax"),
        "",
        "`one`",
        "softmax of the softmax",
    ),
    "square kernel": (lambda: perceptron_pair(m.Perceptron()), m.copied(square=False), "`one`", "is not transposed"),
    "bias forgotten": (lambda: perceptron_pair(m.Perceptron()), m.copied(bias=False), "`one`", "everywhere"),
    "embedding frozen": (
        lambda: (m.stirred(m.Classifier()), m.Pooled(trained=False), m.TOKENS),
        "",
        "`embed.weight`",
        "is frozen right (trainable is False); trained, all gradients agree",
    ),
    "gradient stopped": (
        lambda: (m.stirred(m.Classifier()), m.Pooled(stopped=True), m.TOKENS),
        "",
        "`embed.weight`",
        "(stop_gradient); without it all gradients agree",
    ),
    "frozen": (
        lambda: perceptron_pair(m.Perceptron(frozen=True)),
        "",
        "`one.weight`",
        "`one.weight` and 1 more are frozen left (requires_grad is False)",
    ),
    "detached": (
        lambda: perceptron_pair(m.Perceptron(between=lambda x: x.detach())),
        "",
        "`one.weight`",
        "a gradient is stopped left between `one` and `two` (detach)",
    ),
    "dropout left on": (
        lambda: perceptron_pair(m.Perceptron(between=lambda x: F.dropout(x, 0.4))),
        "",
        "between `one`",
        "left drops numbers in the mode of inference, too: `the model` 0.4",
    ),
}


@pytest.mark.parametrize("name", some(WRONG, SLOW))
def test_a_wrong_pair_is_not_with_the_layer_and_the_cause(name: str) -> None:
    make, transfer, where, cause = WRONG[name]
    left, right, inputs = make()
    verdict = parity.check_pair(
        left, right, inputs, transfer=transfer or "left to right", seeds=1, contracts=ONLY, dtype="float64"
    )
    assert verdict.same_function is False, str(verdict)
    assert where in str(verdict.first_difference), str(verdict)
    assert cause in verdict.cause if cause else not verdict.cause, str(verdict)


@pytest.mark.parametrize("name", [*DIVERGENCES.values(), *ENTRIES.values(), *LOSSES.values()])
def test_a_cause_refers_to_an_entry_that_exists(name: str) -> None:
    assert find(name).name == name


def test_both_models_keep_their_weights_and_dtypes() -> None:
    left, right = m.stirred(m.Perceptron()), m.perceptron()
    before = [p.detach().clone() for p in left.parameters()], [v.numpy() for v in right.variables]
    parity.check_pair(left, right, m.FEATURES, transfer="right to left", seeds=1, contracts=ONLY)
    assert all(torch.equal(a, b) for a, b in zip(before[0], left.parameters(), strict=True))
    assert all((a == v.numpy()).all() and v.dtype == "float32" for a, v in zip(before[1], right.variables, strict=True))


def test_weights_that_are_not_equal_are_named() -> None:
    left, right = m.stirred(m.Perceptron()), m.perceptron()
    verdict = parity.check_pair(left, right, m.FEATURES, seeds=1, contracts=ONLY)
    assert "/one/kernel` right is not `one.weight`" in verdict.cause, str(verdict)
    assert verdict.weights == "weights: 4 of 4 arrays differ: transfer='left to right' makes them equal"
    parity.transfer_weights(left, right)
    verdict = parity.check_pair(left, right, m.FEATURES, seeds=1, contracts=ONLY)
    assert (bool(verdict), verdict.weights) == (True, "weights: 4 of 4 arrays are equal")


def test_a_pair_reports_that_padding_on_the_left_was_not_tried() -> None:
    models = m.stirred(m.Block()), m.stirred(m.Block())
    note = 'padding on the left was not tried: contracts=["same_on_either_side"] tries it'
    options = {"transfer": "left to right", "seeds": 1}
    verdict = parity.check_pair(*models, m.FEATURES, **options)
    assert note in verdict.notes
    assert "layouts" not in str(verdict.declined)  # which is an argument of check_model
    for contracts in (ONLY, ["ignores_padding"], ["same_on_either_side"]):
        assert note not in parity.check_pair(*models, m.FEATURES, contracts=contracts, **options).notes


def test_a_pair_that_agrees_and_reads_padding_on_both_sides_is_told() -> None:
    models = m.stirred(m.Block(masked=False)), m.stirred(m.Block(masked=False))
    verdict = parity.check_pair(*models, m.FEATURES, transfer="left to right", seeds=1, contracts=["ignores_padding"])
    assert verdict.same_function
    assert not verdict
    assert "both: reads padding" in str(verdict)
    expected = {"ignores_padding": "no mask"}
    assert parity.check_pair(
        *models,
        m.FEATURES,
        transfer="left to right",
        seeds=1,
        contracts=["ignores_padding"],
        expected_failures=expected,
    )


class Dropping(torch.nn.Module):  # type: ignore[name-defined, misc]
    """A dense layer, dropout, and noise that nothing can be done about."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        self.one, self.drop, self.noise = torch.nn.Linear(m.D, m.C), torch.nn.Dropout(0.3), noise

    def forward(self, x: Any) -> Any:
        x = F.dropout(self.drop(self.one(x)), 0.2, self.training)
        return x + self.noise * torch.randn_like(x) if self.noise else x


def dropping(rate: float) -> Any:
    given = keras.Input((None, m.D), name="x")
    return keras.Model(given, m.L.Dropout(rate, name="out")(m.L.Dense(m.C, name="one")(given)))


def trained(left: Any, right: Any) -> Any:
    options: dict[str, Any] = {"transfer": "left to right", "seeds": 1, "contracts": ONLY, "dtype": "float64"}
    return parity.check_pair(m.stirred(left), right, m.FEATURES, training=True, **options)


def test_dropout_is_0_in_training_and_rates_that_differ_are_listed() -> None:
    verdict = trained(Dropping(), dropping(0.5))
    assert verdict, str(verdict)
    assert "dropout rates differ: left `drop` 0.3, `the model` 0.2; right `out` 0.5" in str(verdict)


def test_what_stays_random_in_training_is_named() -> None:
    verdict = trained(Dropping(0.1), Dropping(0.1))
    assert "left stays random in the mode of training: an operation between its layers" in str(verdict)


def test_constants_that_keras_rounds_are_exact_and_named() -> None:
    layers = [keras.Input((None, m.D), name="x"), m.L.Dense(m.D), m.L.LeakyReLU(0.3, name="act"), m.L.Dense(m.C)]
    left = m.stirred(m.Perceptron(lambda x: F.leaky_relu(x, 0.3)))
    options: dict[str, Any] = {"transfer": "left to right", "seeds": 1, "contracts": ONLY, "dtype": "float64"}
    verdict = parity.check_pair(left, keras.Sequential(layers), m.FEATURES, **options)
    assert verdict, str(verdict)
    assert "right: constants that Keras rounds to float32 were exact: `act` 0.3; rounded, " in str(verdict)


def test_an_expected_difference_that_does_not_occur_is_a_failure() -> None:
    models = m.stirred(m.Perceptron()), m.perceptron()
    with pytest.raises(AssertionError, match="holds, but was expected to fail: no reason"):
        parity.assert_pair(
            *models,
            m.FEATURES,
            transfer="left to right",
            seeds=1,
            contracts=ONLY,
            expected_failures={"same_function": "no reason"},
        )
