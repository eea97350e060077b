"""Decide what stands for what: order, names, ties, leftovers and refusals, and read a user's own transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import parity
from parity.pairs.leftovers import TransferError

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402

L = keras.layers
D = 6
X = np.random.default_rng(0).standard_normal((3, 7, D)).astype("float32")
IDS = np.random.default_rng(0).integers(0, 11, (3, 7))


class Module(nn.Module):
    """Layers by name, and how they are called."""

    def __init__(self, call: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        self.call = call
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.call(self, x)


def functional(build: Callable[[Any], Any]) -> Any:
    given = keras.Input((None, D))
    return keras.Model(given, build(given))


def transfer(source: Any, target: Any, **options: Any) -> Any:
    return parity.transfer_weights(source, target, inputs=(X, X), **options)


def pairs_of(found: Any) -> list[tuple[str, str]]:
    return [(row.source, row.target) for row in found.table]


def branches(ahead: str, back: str, scale: float = 1.0) -> Any:
    """Two layers on one input, the second of which is called first."""

    def build(x: Any) -> Any:
        second = L.Dense(4, name=back)(x)
        return keras.ops.tanh(L.Dense(4, name=ahead)(x)) - scale * second

    return functional(build)


def two(ahead: str, back: str) -> Any:
    layers = {ahead: nn.Linear(D, 4), back: nn.Linear(D, 4)}
    return Module(lambda own, x: torch.tanh(getattr(own, ahead)(x)) - getattr(own, back)(x), **layers)


def test_branches_that_are_called_in_another_order_are_distinguished_by_their_outputs() -> None:
    found = transfer(two("one", "two"), branches("a", "b"))
    assert sorted(pairs_of(found)) == [("one", "a"), ("two", "b")]
    assert "paired as the outputs agree: `one` and `a`, `two` and `b`" in str(found)


def test_names_decide_if_the_outputs_do_not_and_it_is_noted() -> None:
    found = transfer(two("fwd", "bwd"), branches("forward", "backward", scale=2.0))
    assert sorted(pairs_of(found)) == [("bwd", "backward"), ("fwd", "forward")]
    assert "paired by name, as nothing else tells: " in str(found)


def test_what_nothing_decides_is_asked_with_an_answer_to_paste() -> None:
    source, target = two("one", "two"), branches("a", "b", scale=2.0)
    before = [variable.numpy() for variable in target.weights]
    with pytest.raises(TransferError, match=r"may stand for each other .*: pairs=\{'one': 'b', 'two': 'a'\}"):
        transfer(source, target)
    assert all(map(np.array_equal, before, (variable.numpy() for variable in target.weights)))
    found = transfer(source, target, pairs={"one": "a", "two": "b"})
    assert sorted(pairs_of(found)) == [("one", "a"), ("two", "b")]


def test_layers_of_one_size_are_paired_in_the_order_of_calls_though_the_outputs_differ() -> None:
    """Take another order of registration on one side, and a fault behind the last layer on the other."""
    layers = {"last": nn.Linear(D, D), "first": nn.Linear(D, D)}
    source = Module(lambda own, x: own.last(torch.tanh(own.first(x))), **layers)
    target = functional(lambda x: 2 * L.Dense(D, name="out")(keras.ops.tanh(L.Dense(D, name="into")(x))))
    assert sorted(pairs_of(transfer(source, target))) == [("first", "into"), ("last", "out")]


def test_a_shared_layer_is_paired_once_and_one_that_is_never_called_is_noted() -> None:
    source = Module(lambda own, x: own.shared(own.shared(x)), shared=nn.Linear(D, D), spare=nn.Linear(D, D))

    def build(x: Any) -> Any:
        layer = L.Dense(D, name="both")
        return layer(layer(x))

    found = transfer(source, functional(build))
    assert pairs_of(found) == [("shared", "both")]
    assert "source: not transferred, as nothing was computed with it: spare" in str(found)


def attention(head: int) -> Any:
    return functional(lambda x: L.MultiHeadAttention(2, head, name="attend")(x, x))


def projections(fused: bool) -> Any:
    """Attention of two heads by hand."""

    def call(own: Any, x: Any) -> Any:
        parts = own.qkv(x).chunk(3, -1) if fused else [own.q(x), own.k(x), own.v(x)]
        q, k, v = (part.unflatten(-1, (2, 3)).transpose(1, 2) for part in parts)
        return own.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    layers = {"qkv": nn.Linear(D, 3 * D)} if fused else {name: nn.Linear(D, D) for name in "qkv"}
    return Module(call, **layers, out=nn.Linear(D, D))


@pytest.mark.parametrize("fused", [True, False])
def test_dense_layers_stand_for_attention_if_pairs_say_so(fused: bool) -> None:
    source, target = projections(fused), attention(3)
    names = ("qkv", "out") if fused else ("q", "k", "v", "out")
    found = transfer(source, target, pairs={names: "attend"})
    assert np.allclose(target(X).numpy(), source(torch.from_numpy(X)).detach().numpy(), atol=1e-6)
    again = projections(fused)
    transfer(target, again, pairs={"attend": names})
    assert all(map(torch.equal, source.state_dict().values(), again.state_dict().values()))
    assert found.inexact == {}


class Tied(nn.Module):
    def __init__(self, tie: bool) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, D), nn.Linear(D, 11, bias=False)
        if tie:
            self.head.weight = self.embed.weight

    def forward(self, ids: Any) -> Any:
        return self.head(torch.tanh(self.embed(ids)))


class TiedInKeras(keras.Model):
    def __init__(self, tie: bool) -> None:
        super().__init__()
        self.embed, self.head = L.Embedding(11, D), None if tie else L.Dense(11, use_bias=False, name="head")

    def call(self, ids: Any) -> Any:
        x = keras.ops.tanh(self.embed(ids))
        return keras.ops.matmul(x, keras.ops.transpose(self.embed.embeddings)) if self.head is None else self.head(x)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("tied", [(True, True), (True, False), (False, True)])
def test_weights_that_are_tied_on_one_side_only_are_refused(tied: tuple[bool, bool], back: bool) -> None:
    models = [Tied(tied[0]), TiedInKeras(tied[1])]
    source, target = models[::-1] if back else models
    if tied[0] == tied[1]:
        found = parity.transfer_weights(source, target, inputs=(IDS, IDS))
        assert len(found.weights) == 1
        ones = {name: np.ones(array.shape) for name, array in found.weights.items()}
        assert [array.sum() for array in found.gradients(ones).values()] == [66]
    else:
        with pytest.raises(TransferError, match="tied weights"):
            parity.transfer_weights(source, target, inputs=(IDS, IDS))


def recurrent(**options: Any) -> Any:
    return Module(lambda own, x: own.rnn(x)[0], rnn=nn.GRU(D, 4, batch_first=True, **options))


GRU = L.GRU
REFUSED: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    r"`reset_after` is True here and False there": (
        recurrent,
        lambda: functional(lambda x: GRU(4, reset_after=False, return_sequences=True)(x)),
    ),
    r"a head has 3 numbers here and 5 there": (
        lambda: Module(lambda own, x: own.a(x, x, x)[0], a=nn.MultiheadAttention(D, 2, batch_first=True)),
        lambda: attention(5),
    ),
    r"`rnn` \(lstm 6 x 4 x 3\) has no partner .* nearest: `lstm.*` \(lstm 6 x 4 x 4\), of other sizes: ignore": (
        lambda: Module(lambda own, x: own.rnn(x)[0], rnn=nn.LSTM(D, 4, proj_size=3, batch_first=True)),
        lambda: functional(lambda x: L.LSTM(4, return_sequences=True)(x)),
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_no_weights_make_equal_is_refused_with_the_reason(message: str) -> None:
    source, target = (make() for make in REFUSED[message])
    with pytest.raises(TransferError, match=message):
        transfer(source, target)
    with pytest.raises(TransferError):
        transfer(target, source)


def test_a_bias_on_one_side_only_is_refused_unless_it_is_0() -> None:
    source, target = nn.Linear(D, 4), functional(lambda x: L.Dense(4, use_bias=False, name="fc")(x))
    with pytest.raises(TransferError, match="it has a bias, and the other has none, unless it is 0"):
        transfer(source, target)
    source.bias.data.zero_()
    assert transfer(source, target).inexact == {}
    source.bias.data.fill_(3)
    assert "its bias, which the source has not, is 0; it would be trained" in str(transfer(target, source))
    assert not source.bias.any()


def test_all_that_is_left_over_is_listed_at_once_with_the_line_that_mends_it() -> None:
    source = nn.Sequential(nn.Linear(D, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4))
    target = functional(lambda x: L.Dense(3, name="end")(L.Dense(4, name="middle")(L.Dense(4, name="begin")(x))))
    with pytest.raises(TransferError) as caught:
        transfer(source, target)
    assert [line.partition("`")[2].partition("`")[0] for line in caught.value.problems] == [
        "1",
        "2",
        "3",
        "middle",
        "end",
    ]
    assert "(2.weight (4, 4), 2.bias (4,)); nearest: `middle` (dense 4 x 4): pairs={'2': 'middle'} or" in str(
        caught.value
    )
    found = transfer(source, target, pairs={"2": "middle"}, ignore=["1", "3", "end"])
    assert pairs_of(found) == [("2", "middle"), ("0", "begin")]
    assert set(found.weights) == {"begin/kernel", "begin/bias", "middle/kernel", "middle/bias"}


class WithTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, D))
        self.scale = nn.Parameter(torch.randn(D, D))

    def forward(self, x: Any) -> Any:
        return x @ self.scale + self.table


class TableInKeras(L.Layer):
    def build(self, shape: Any) -> None:
        self.table = self.add_weight(name="table", shape=(7, D))
        self.other = self.add_weight(name="other", shape=(D, D))

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, self.other) + self.table


def test_plain_parameters_are_paired_explicitly_or_by_name_and_a_shape_that_fits_one_way() -> None:
    source, target = WithTable(), keras.Sequential([keras.Input((7, D)), TableInKeras(name="own")])
    with pytest.raises(TransferError, match=r"`scale` .* nearest: `own/other` .*: pairs=\{'scale': 'own/other'\}"):
        transfer(source, target)
    found = transfer(source, target, pairs={"scale": "own/other"})
    assert "paired by name and shape: `table` and `own/table`" in str(found)
    assert np.allclose(target(X).numpy(), source(torch.from_numpy(X)).detach().numpy(), atol=1e-6)


def test_what_differs_alone_is_listed_as_a_difference_of_configuration() -> None:
    source = Module(lambda own, x: own.norm(own.fc(x)), fc=nn.Linear(D, D), norm=nn.LayerNorm(D))
    target = functional(lambda x: L.LayerNormalization(epsilon=1e-3, name="norm")(L.Dense(D, activation="relu")(x)))
    found = transfer(source, target)
    (row,) = found.differing
    assert (row.source, row.target, row.configuration) == ("norm", "norm", {"eps": (1e-5, 1e-3)})
    assert row.difference > 1e-6


def test_there_and_back_gives_the_same_bits_but_for_two_biases_that_are_added() -> None:
    source = Module(lambda own, x: own.rnn(x)[0], rnn=nn.LSTM(D, 4, 2, bidirectional=True, batch_first=True))
    source.rnn.bias_ih_l0.data[0] = -0.0
    source.rnn.bias_hh_l0.data[0] = -0.0

    def build(x: Any) -> Any:
        for _ in range(2):
            x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
        return x

    target = functional(build)
    found = transfer(source, target)
    again, third = Module(source.call, rnn=nn.LSTM(D, 4, 2, bidirectional=True, batch_first=True)), functional(build)
    assert transfer(target, again).inexact == {}
    transfer(again, third)
    assert [v.numpy().tobytes() for v in target.weights] == [v.numpy().tobytes() for v in third.weights]
    for name, array in source.state_dict().items():
        assert torch.equal(array, again.state_dict()[name]) == (name not in found.inexact), name
        assert ("bias" in name) == (name in found.inexact)
    sums = source.rnn.bias_ih_l1 + source.rnn.bias_hh_l1
    assert torch.equal(sums, again.rnn.bias_ih_l1)
    assert not again.rnn.bias_hh_l1.any()


@pytest.mark.parametrize("make", [lambda: recurrent(num_layers=2), lambda: functional(lambda x: GRU(4)(x))])
def test_within_a_framework_every_bit_is_copied(make: Callable[[], Any]) -> None:
    source, target = make(), make()
    found = transfer(source, target)
    assert found.inexact == {}
    arrays = [[np.asarray(a.detach() if hasattr(a, "detach") else a) for a in weights(m)] for m in (source, target)]
    assert all(map(np.array_equal, *arrays))


def weights(model: Any) -> Any:
    return model.parameters() if isinstance(model, nn.Module) else model.weights


def copies(wrong: bool) -> Callable[[Any, Any], None]:
    def copy(source: Any, target: Any) -> None:
        layer = target.get_layer("rnn")
        own = {name: p.detach().numpy() for name, p in source.rnn.named_parameters()}
        layer.cell.kernel.assign(own["weight_ih_l0"].T)
        layer.cell.recurrent_kernel.assign(own["weight_hh_l0"].T)
        layer.cell.bias.assign(own["bias_ih_l0"] + (0 if wrong else own["bias_hh_l0"]))

    return copy


@pytest.mark.parametrize("wrong", [False, True])
def test_the_map_of_a_users_own_function_is_read_off_it(wrong: bool) -> None:
    source = Module(lambda own, x: own.rnn(x)[0], rnn=nn.LSTM(D, 4, batch_first=True))
    target = functional(lambda x: L.LSTM(4, return_sequences=True, name="rnn")(x))
    before = [p.detach().clone() for p in source.parameters()]
    found = transfer(source, target, transfer=copies(wrong))
    assert all(map(torch.equal, before, source.parameters()))
    gradients = found.gradients({name: np.ones(array.shape) for name, array in found.weights.items()})
    assert set(gradients) == {name for name, _ in source.named_parameters()} - ({"rnn.bias_hh_l0"} if wrong else set())
    assert len(found.differing) == wrong
    assert (found.inexact == {"rnn.bias_hh_l0": "some of it has no image"}) == wrong
    expected = source.rnn.bias_ih_l0 + (0 if wrong else source.rnn.bias_hh_l0)
    assert np.array_equal(target.get_layer("rnn").cell.bias.numpy(), expected.detach().numpy())


def test_what_a_users_function_computes_is_named_and_has_no_gradient() -> None:
    def squares(source: Any, target: Any) -> None:
        target.layers[-1].kernel.assign(source.weight.detach().numpy().T ** 2)
        target.layers[-1].bias.assign(source.bias.detach().numpy() + 1)

    target = functional(lambda x: L.Dense(4, name="fc")(x))
    found = transfer(nn.Linear(D, 4), target, transfer=squares)
    assert list(found.computed) == ["fc/kernel"]
    ones = {name: np.ones(array.shape) for name, array in found.weights.items()}
    assert set(found.gradients(ones)) == {"bias"}


WRONG: dict[str, dict[str, Any]] = {
    "ignore: got 'haed', expected one of: ": {"ignore": ["haed"]},
    "pairs: got 'haed', expected one of: ": {"pairs": {"haed": "fc"}},
    "inputs: got 3, expected inputs=": {"inputs": 3},
    "source: got a model that raised ": {"inputs": (X[..., :2], X)},
    "transfer: got a function that raised ZeroDivisionError": {"transfer": lambda source, target: 1 / 0},
    "transfer: got a function, with pairs or ignore, expected one": {"transfer": print, "ignore": ["fc"]},
    "gradients: got 'fc/other' with shape ": {"gradients": {"fc/other": X}},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_named(message: str) -> None:
    options = {"inputs": (X, X)} | WRONG[message]
    gradients = options.pop("gradients", None)
    with pytest.raises(parity.InputError) as caught:
        parity.transfer_weights(nn.Linear(D, 4), functional(lambda x: L.Dense(4, name="fc")(x)), **options).gradients(
            gradients
        )
    assert str(caught.value).startswith(message)


def test_inputs_are_guessed_and_factories_are_called() -> None:
    found = parity.transfer_weights(lambda: nn.Linear(D, 4), lambda: functional(lambda x: L.Dense(4, name="fc")(x)))
    other = functional(lambda x: L.Dense(4)(x))
    found.apply(other)
    assert np.array_equal(other.weights[1].numpy(), found.weights["fc/bias"])
