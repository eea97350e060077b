"""Pairs with convolutions, pooling and normalisation, dense layers, losses; models of features for CTC."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import parity
from tests.pair_zoo.making import (
    LENGTHS,
    WORDS,
    C,
    D,
    H,
    L,
    Right,
    Wrong,
    arrays,
    functional,
    keras_mean,
    mean,
    module,
    sequential,
    steps_last,
    subclassed,
)

ops = keras.ops


def conv(forward: Any = None, after: Any = lambda x: x, **options: Any) -> nn.Module:
    """One convolution that keeps the steps, and a dense layer."""

    def plain(self: Any, x: Any) -> Any:
        return self.head(after(steps_last(self.conv(steps_last(x)))))

    layer = nn.Conv1d(D, H, 3, **({"padding": "same"} | options))
    return module(forward or plain, conv=layer, head=nn.Linear(H, C))


def keras_conv(*more: Any, **options: Any) -> Any:
    own = {"padding": "same"} | options
    return sequential(L.Conv1D(H, 3, name="conv", **own), *more, L.Dense(C, name="tags"))


def masked(self: Any, x: Any, mask: Any) -> Any:
    """Two convolutions, padding 0 before each, and the maximum over real steps."""
    y = torch.relu(self.one(steps_last(x * mask[..., None])))
    y = torch.relu(self.two(y * mask[:, None]))
    return self.head(y.masked_fill(~mask[:, None], -torch.inf).amax(2))


def unmasked(self: Any, x: Any, mask: Any) -> Any:
    y = torch.relu(self.one(steps_last(x * mask[..., None])))
    y = torch.relu(self.two(y))
    return self.head(y.masked_fill(~mask[:, None], -torch.inf).amax(2))


def masks(forward: Any = masked) -> nn.Module:
    one, two = nn.Conv1d(D, H, 3, padding=1), nn.Conv1d(H, H, 3, padding=1)
    return module(forward, one=one, two=two, head=nn.Linear(H, C))


def keras_masks() -> Any:
    def build(x: Any, mask: Any) -> Any:
        real = ops.cast(mask, x.dtype)[..., None]
        y = L.Conv1D(H, 3, padding="same", activation="relu", name="one")(x * real)
        y = L.Conv1D(H, 3, padding="same", activation="relu", name="two")(y * real)
        return L.Dense(C, name="answer")(ops.max(ops.where(mask[..., None], y, -1e9), 1))

    return functional(build, "x", "mask")


def widths(self: Any, x: Any) -> Any:
    found = [F.relu(layer(steps_last(F.pad(x, (0, 0, 0, 2))))).amax(2) for layer in (self.two, self.three)]
    return self.head(torch.cat(found, 1))


def normed(norm: Any) -> nn.Module:
    """Return a dense layer, a normalisation over channels, and a dense layer."""

    def forward(self: Any, x: Any) -> Any:
        y = self.enter(x)
        y = (
            steps_last(self.norm(steps_last(y)))
            if isinstance(self.norm, nn.BatchNorm1d | nn.GroupNorm)
            else self.norm(y)
        )
        return self.head(y)

    return module(forward, enter=nn.Linear(D, H), norm=norm, head=nn.Linear(H, C))


def keras_normed(norm: Any, **call: Any) -> Any:
    def build(x: Any) -> Any:
        return L.Dense(C, name="tags")(norm(L.Dense(H, name="enter")(x), **call))

    return functional(build, "x")


def images(order: str = "right") -> nn.Module:
    """Return a convolution over steps and features; channels and features are one axis then."""

    def forward(self: Any, x: Any) -> Any:
        y = torch.relu(self.conv(x[:, None]))  # (B, C, T, F)
        y = y.permute(0, 2, 3, 1) if order == "right" else y.permute(0, 2, 1, 3)
        return self.head(y.flatten(2))

    return module(forward, conv=nn.Conv2d(1, 4, 3, padding=1), head=nn.Linear(4 * D, C))


def keras_images() -> Any:
    def build(x: Any) -> Any:
        y = L.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x[..., None])
        return L.Dense(C, name="tags")(L.Reshape((-1, 4 * D))(y))

    return functional(build, "x")


def speech(stride: Any = (1, 1)) -> nn.Module:
    """Halve the steps by a convolution, then a GRU and one answer at each step, for CTC."""

    def forward(self: Any, x: Any) -> Any:
        y = torch.relu(self.conv(steps_last(F.pad(x, (0, 0, *stride)))))
        return self.head(self.rnn(steps_last(y))[0]).log_softmax(-1)

    return module(forward, conv=nn.Conv1d(D, H, 3, stride=2), rnn=nn.GRU(H, H, batch_first=True), head=nn.Linear(H, C))


def keras_speech(padding: str = "valid") -> Any:
    before = [L.ZeroPadding1D(1)] if padding == "valid" else []
    return sequential(
        *before,
        L.Conv1D(H, 3, strides=2, padding=padding, activation="relu", name="conv"),
        L.GRU(H, return_sequences=True, name="rnn"),
        L.Dense(C, activation="log_softmax", name="tags"),
    )


def perceptron(activation: Any = torch.tanh, after: Any = lambda x: x, scale: float = 1.0) -> nn.Module:
    def forward(self: Any, x: Any) -> Any:
        return after(self.two(activation(self.one(x) * scale)))

    return module(forward, one=nn.Linear(D, H), two=nn.Linear(H, C))


def keras_perceptron(activation: Any = "tanh", last: Any = None) -> Any:
    return sequential(L.Dense(H, activation=activation, name="one"), L.Dense(C, activation=last, name="two"))


LABELS = parity.inputs(x=parity.features(D), target=parity.labels(C), lengths=LENGTHS)
GOALS = parity.inputs(tokens=parity.tokens(WORDS, known_by_value=True), lengths=LENGTHS)


def classified() -> nn.Module:
    def forward(self: Any, x: Any, mask: Any) -> Any:
        return self.two(mean(torch.tanh(self.one(x)), mask))

    return module(forward, one=nn.Linear(D, H), two=nn.Linear(H, C))


def keras_classified() -> Any:
    def build(x: Any, mask: Any) -> Any:
        return L.Dense(C, name="two")(keras_mean(L.Dense(H, activation="tanh", name="one")(x), mask))

    return functional(build, "x", "mask")


def entropy(**options: Any) -> Any:
    return lambda output, batch: F.cross_entropy(output, batch.target, **options)


def keras_entropy(output: Any, batch: Any) -> Any:
    return ops.mean(keras.losses.sparse_categorical_crossentropy(batch.target, output, from_logits=True))


def predicted() -> nn.Module:
    """Predict each token from itself: a tagger with a loss."""
    return module(
        lambda self, tokens: self.head(torch.tanh(self.embed(tokens))),
        embed=nn.Embedding(WORDS, D),
        head=nn.Linear(D, WORDS),
    )


def keras_predicted() -> Any:
    return sequential(
        L.Embedding(WORDS, D, name="words"), L.Activation("tanh", name="bend"), L.Dense(WORDS, name="tags"), tokens=True
    )


def over(real_only: bool = True) -> Any:
    def loss(output: Any, batch: Any) -> Any:
        each = F.cross_entropy(steps_last(output), batch.tokens, reduction="none")
        return (each * batch.mask).sum() / batch.mask.sum() if real_only else (each * batch.mask).mean()

    return loss


def keras_over(output: Any, batch: Any) -> Any:
    each = keras.losses.sparse_categorical_crossentropy(batch.tokens, output, from_logits=True)
    mask = ops.cast(batch.mask, each.dtype)
    return ops.sum(each * mask) / ops.sum(mask)


RIGHT = {
    "convolutions with masks": Right(masks, keras_masks),
    "dilated, two of keras": Right(
        lambda: keras_conv(dilation_rate=2), lambda: keras_conv(dilation_rate=2), transfer="right to left"
    ),
    "convolutions of two widths": Right(
        lambda: module(widths, two=nn.Conv1d(D, H, 2), three=nn.Conv1d(D, H, 3), head=nn.Linear(2 * H, C)),
        lambda: functional(
            lambda x: L.Dense(C, name="answer")(
                ops.concatenate(
                    [
                        ops.max(L.Conv1D(H, width, activation="relu", name=name)(L.ZeroPadding1D((0, 2))(x)), 1)
                        for width, name in ((2, "two"), (3, "three"))
                    ],
                    -1,
                )
            ),
            "x",
        ),
    ),
    "depthwise": Right(
        lambda: module(
            lambda self, x: steps_last(self.point(self.depth(steps_last(x)))),
            depth=nn.Conv1d(D, D, 3, padding=1, groups=D, bias=False),
            point=nn.Conv1d(D, C, 1),
        ),
        lambda: sequential(L.SeparableConv1D(C, 3, padding="same", name="separable")),
    ),
    "batch norm": Right(
        lambda: normed(nn.BatchNorm1d(H, eps=1e-3)), lambda: keras_normed(L.BatchNormalization(name="norm"))
    ),
    "layer norm": Right(
        lambda: normed(nn.LayerNorm(H)), lambda: keras_normed(L.LayerNormalization(epsilon=1e-5, name="norm"))
    ),
    "rms norm": Right(
        lambda: normed(nn.RMSNorm(H, eps=1e-6)), lambda: keras_normed(L.RMSNormalization(epsilon=1e-6, name="norm"))
    ),
    "channels of images": Right(images, keras_images),
    "subsampled for ctc": Right(speech, keras_speech),
    "log of softmax": Right(
        lambda: perceptron(after=lambda x: x.log_softmax(-1)), lambda: keras_perceptron(last="log_softmax")
    ),
    "classifier with its loss": Right(
        classified, keras_classified, LABELS, options={"loss": (entropy(), keras_entropy)}
    ),
    "tagger with its loss": Right(predicted, keras_predicted, GOALS, options={"loss": (over(), keras_over)}),
    "two outputs": Right(
        lambda: module(
            lambda self, x: {"a": self.one(x), "b": torch.sigmoid(self.two(x))},
            one=nn.Linear(D, H),
            two=nn.Linear(D, C),
        ),
        lambda: subclassed(
            lambda self, x: {"a": self.one(x), "b": self.two(x)}, one=L.Dense(H), two=L.Dense(C, activation="sigmoid")
        ),
    ),
    "prelu": Right(
        lambda: module(
            lambda self, x: self.two(steps_last(self.bend(steps_last(self.one(x))))),
            one=nn.Linear(D, H),
            bend=nn.PReLU(H),
            two=nn.Linear(H, C),
        ),
        lambda: sequential(L.Dense(H, name="one"), L.PReLU(shared_axes=[1], name="bend"), L.Dense(C, name="two")),
    ),
}


def copied(write: Any) -> Any:
    """Return a user's own transfer: ``write`` changes the arrays of Keras' layers by their names."""

    def copy(source: Any, target: Any) -> None:
        a = arrays(source)
        own = {}
        if "conv.weight" in a:
            own["conv"] = [a["conv.weight"].transpose(2, 1, 0), a["conv.bias"]]
        for name, other in (("one", "one"), ("two", "two"), ("enter", "enter"), ("head", "tags")):
            if f"{name}.weight" in a:
                own[other] = [a[f"{name}.weight"].T, a[f"{name}.bias"]]
        if "norm.weight" in a:
            own["norm"] = [
                a[f"norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var") if f"norm.{part}" in a
            ]
        if "embed.weight" in a:
            own["words"] = [a["embed.weight"]]
        for name, value in (own | write(own)).items():
            target.get_layer(name).set_weights(value)

    return copy


def statistics(own: Any) -> Any:
    return {"norm": [*own["norm"][:2], np.zeros(H, "float32"), np.ones(H, "float32")]}


CONV = ("conv",)
NORM = ("norm",)
ONE = ("one",)
WRONG = {
    "kernel flipped": Wrong(
        conv,
        keras_conv,
        transfer=copied(lambda own: {"conv": [own["conv"][0][::-1], own["conv"][1]]}),
        layers=CONV,
        cause="weights: .*flipped",
    ),
    "dilation": Wrong(conv, lambda: keras_conv(dilation_rate=2), layers=CONV, cause="dilation"),
    "reshaped for transposed": Wrong(
        lambda: conv(lambda self, x: self.head(steps_last(self.conv(x.reshape(len(x), D, -1))))),
        keras_conv,
        layers=CONV,
        cause="reshape",
    ),
    "padded behind": Wrong(
        lambda: conv(lambda self, x: self.head(steps_last(self.conv(steps_last(F.pad(x, (0, 0, 0, 2)))))), padding=0),
        lambda: keras_conv(padding="causal"),
        layers=CONV,
        cause="padding|shifted|later|earlier",
    ),
    "channels and features exchanged": Wrong(
        lambda: images("wrong"), keras_images, layers=("conv", "head", "tags"), cause="exchanged|order|transposed"
    ),
    "relu forgotten": Wrong(conv, lambda: keras_conv(activation="relu"), layers=("conv", "head"), cause="relu"),
    "statistics left behind": Wrong(
        lambda: normed(nn.BatchNorm1d(H, eps=1e-3)),
        lambda: keras_normed(L.BatchNormalization(name="norm")),
        transfer=copied(statistics),
        layers=NORM,
        cause="weights: .*moving_mean.*not been copied",
    ),
    "gain and bias exchanged": Wrong(
        lambda: normed(nn.LayerNorm(H)),
        lambda: keras_normed(L.LayerNormalization(epsilon=1e-5, name="norm")),
        transfer=copied(lambda own: {"norm": own["norm"][::-1]}),
        layers=NORM,
        cause="weights: .*has what .* should have",
    ),
    "statistics of the batch": Wrong(
        lambda: normed(nn.BatchNorm1d(H, eps=1e-3)),
        lambda: subclassed(
            lambda self, x: self.head(self.norm(self.enter(x), training=True)),
            enter=L.Dense(H),
            norm=L.BatchNormalization(),
            head=L.Dense(C),
        ),
        layers=NORM,
        cause="training|statistics of the batch",
    ),
    "momentum": Wrong(
        lambda: normed(nn.BatchNorm1d(H, eps=1e-3, momentum=0.1)).train(),
        lambda: normed(nn.BatchNorm1d(H, eps=1e-3, momentum=0.01)).train(),
        options={"training": True},
        layers=("norm", "norm.running_mean"),
        cause="momentum of `norm` .*0.01",
    ),
    "an epsilon that only float64 sees": Wrong(
        lambda: normed(nn.LayerNorm(H, eps=1e-9)),
        lambda: keras_normed(L.LayerNormalization(epsilon=1e-8, name="norm")),
        layers=NORM,
        cause="eps is 1e-09 left, 1e-08 right",
    ),
    "eps of rms norm": Wrong(
        lambda: normed(nn.RMSNorm(H, eps=1e-5)),
        lambda: keras_normed(L.RMSNormalization(epsilon=1e-6, name="norm")),
        layers=NORM,
        cause="eps is 1e-05 left, 1e-06 right",
    ),
    "rms norm for layer norm": Wrong(
        lambda: keras_normed(L.LayerNormalization(center=False, name="norm")),
        lambda: keras_normed(L.LayerNormalization(center=False, rms_scaling=True, name="norm")),
        layers=NORM,
        cause="rms|mean",
    ),
    "strided same": Wrong(
        speech,
        lambda: keras_speech("same"),
        options={"seeds": 2},  # both are equal for an odd number of steps
        layers=("conv",),
        cause="padding",
    ),
    "padding counted in a mean": Wrong(
        lambda: module(
            lambda self, x: self.head(steps_last(self.pool(steps_last(self.enter(x))))),
            enter=nn.Linear(D, H),
            pool=nn.AvgPool1d(3, 1, 1),
            head=nn.Linear(H, C),
        ),
        lambda: sequential(
            L.Dense(H, name="enter"), L.AveragePooling1D(3, 1, padding="same", name="pool"), L.Dense(C, name="tags")
        ),
        layers=("enter", "pool", "head"),
        cause="count_include_pad",
    ),
    "padding read by a second convolution": Wrong(
        lambda: masks(unmasked), keras_masks, layers=("one", "two"), cause="padding of (its|the) input"
    ),
    "relu6": Wrong(
        lambda: perceptron(F.relu6, scale=1.0),
        lambda: keras_perceptron(lambda x: ops.relu(x) * 1.0 - ops.relu(x - 0.5)),
        layers=ONE,
        cause="activation of `one` right.*relu",
    ),
    "mish for silu": Wrong(
        lambda: perceptron(F.mish), lambda: keras_perceptron("silu"), layers=ONE, cause="mish.*silu|silu.*mish"
    ),
    "slope of elu": Wrong(
        lambda: perceptron(lambda x: F.elu(x, 0.5)), lambda: keras_perceptron("elu"), layers=ONE, cause="elu"
    ),
    "probabilities for logits": Wrong(
        perceptron, lambda: keras_perceptron(last="softmax"), layers=("two",), cause="activation .*softmax|softmax"
    ),
    "softmax over steps": Wrong(
        lambda: perceptron(after=lambda x: x.softmax(1)),
        lambda: keras_perceptron(last="softmax"),
        layers=("two",),
        cause="softmax.*axis|axis.*softmax",
    ),
    "label smoothing": Wrong(
        classified,
        keras_classified,
        LABELS,
        options={"loss": (entropy(label_smoothing=0.1), keras_entropy)},
        layers=(),
        cause="smoothing",
    ),
    "sum for mean in a loss": Wrong(
        classified,
        keras_classified,
        LABELS,
        options={"loss": (entropy(reduction="sum"), keras_entropy)},
        layers=(),
        cause="loss.*sum",
    ),
    "softmax before the loss": Wrong(
        classified,
        keras_classified,
        LABELS,
        options={"loss": (lambda y, b: F.cross_entropy(y.softmax(-1), b.target), keras_entropy)},
        layers=(),
        cause="softmax",
    ),
    "loss over all steps": Wrong(
        predicted,
        keras_predicted,
        GOALS,
        options={"loss": (over(real_only=False), keras_over)},
        layers=(),
        cause="all steps|padding",
    ),
    "dropout left on": Wrong(
        lambda: perceptron(lambda x: F.dropout(torch.tanh(x), 0.5)),
        keras_perceptron,
        layers=ONE,
        cause="dropout|random",
    ),
    "dropout left on in keras": Wrong(
        perceptron,
        lambda: subclassed(
            lambda self, x: self.two(self.drop(self.one(x), training=True)),
            one=L.Dense(H, activation="tanh"),
            drop=L.Dropout(0.5),
            two=L.Dense(C),
        ),
        layers=("one", "drop"),
        cause="dropout|random|training",
    ),
    "rows of a vocabulary shifted": Wrong(
        predicted,
        keras_predicted,
        GOALS,
        transfer=copied(lambda own: {"words": [np.roll(own["words"][0], 1, 0)]}),
        layers=("embed", "words"),
        cause="weights: .*(rows|shifted|order)",
    ),
    "reshaped kernel": Wrong(
        perceptron,
        keras_perceptron,
        transfer=copied(lambda own: {"one": [own["one"][0].T.reshape(D, H), own["one"][1]]}),
        layers=ONE,
        cause="weights: .*reshaped",
    ),
    "a layer left behind": Wrong(
        perceptron,
        keras_perceptron,
        transfer=copied(lambda own: {"one": [0 * own["one"][0] + 0.5, own["one"][1]]}),
        layers=ONE,
        cause="weights: .*not been copied",
    ),
    "rounded on the way": Wrong(
        perceptron,
        keras_perceptron,
        transfer=copied(lambda own: {"one": [own["one"][0].astype("float16").astype("float32"), own["one"][1]]}),
        layers=ONE,
        cause="weights: .*float16",
    ),
    "row of padding frozen": Wrong(
        lambda: module(
            lambda self, tokens: self.head(self.embed(tokens).mean(1)),
            embed=nn.Embedding(WORDS, D, padding_idx=0),
            head=nn.Linear(D, C),
        ),
        lambda: sequential(
            L.Embedding(WORDS, D, name="words"), L.GlobalAveragePooling1D(), L.Dense(C, name="answer"), tokens=True
        ),
        parity.inputs(tokens=parity.tokens(WORDS), lengths=LENGTHS),
        layers=("embed.weight", "words/embeddings"),
        cause="padding_idx",
    ),
    "halves exchanged, two of pytorch": Wrong(
        perceptron,
        lambda: perceptron(lambda x: torch.tanh(x).roll(2, -1)),
        layers=ONE,
        cause="halves of its channels exchanged",
    ),
}
