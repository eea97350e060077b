"""Check what users write in ways of their own: compiled parts, dicts, other shapes, short lengths, unusual names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import parity
from parity.models.binding import bind
from tests.full_runs import full_run

FEW = parity.lengths(batch=4, longest=6)
FEATURES = parity.inputs(x=parity.features(5), lengths=FEW)
IDS = parity.inputs(tokens=parity.tokens(9), lengths=FEW)
ONLY: dict[str, Any] = {"seeds": 1, "dtype": "float64"}


def names_of(*arguments: str) -> Any:
    """Return a function with these arguments."""
    return eval(f"lambda {', '.join(arguments)}: None")


NAMES = {
    "a_lengths=lengths, b_lengths=lengths": ("a", "a_lengths", "b", "b_lengths"),
    "mask1=mask, mask2=mask": ("a", "mask1", "b", "mask2"),
    "a_len=lengths, b_padding_mask=mask": ("a", "a_len", "b", "b_padding_mask"),
    "a_key_padding_mask=drop": ("a", "b", "a_key_padding_mask"),
}


@pytest.mark.parametrize("matched", NAMES)
def test_an_argument_is_matched_by_a_part_of_its_name(matched: str) -> None:
    assert str(bind(names_of(*NAMES[matched]), ["a", "b"])) == matched


@pytest.mark.parametrize("argument", ["speaker", "max_length", "*args", "**options"])
def test_an_argument_of_which_nothing_is_known_is_an_error(argument: str) -> None:
    with pytest.raises(parity.InputError, match=r"call: got .*, expected a function that feeds it"):
        bind(names_of(*([argument] if "*" in argument else ["a", argument])), ["a"])


@pytest.fixture
def torch() -> Any:
    module = pytest.importorskip("torch")
    module.manual_seed(0)
    return module


@pytest.fixture
def linear(torch: Any) -> Any:
    return torch.nn.Linear(5, 2)


def packed(short: int, pooled: bool) -> Any:
    """Return a call of a recurrent layer with lengths that are too short."""

    def call(model: Any, batch: Any) -> Any:
        from torch.nn.utils import rnn

        lengths = (batch.lengths - short).clamp(min=1)
        y, h = model(rnn.pack_padded_sequence(batch.x, lengths, batch_first=True, enforce_sorted=False))
        return h[0] if pooled else rnn.pad_packed_sequence(y, batch_first=True, total_length=batch.x.shape[1])[0]

    return call


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("short", [0, 1, 2])
def test_lengths_that_are_too_short_show(torch: Any, short: int, pooled: bool) -> None:
    verdict = parity.check_model(torch.nn.GRU(5, 3, batch_first=True), FEATURES, call=packed(short, pooled), **ONLY)
    assert verdict.failed == (("reads_last_step",) if short else ()), str(verdict)
    assert not short or f"too short by {short}?" in str(verdict)


def of_shifted(model: Any, batch: Any) -> Any:
    return model(batch.x.roll(1, 1) * (batch.positions > 0)[..., None])


def of_every_other(model: Any, batch: Any) -> Any:
    """Return a mean over pairs of steps; a single last one is left out."""
    steps = batch.lengths // 2
    pairs = model(batch.x[:, : batch.x.shape[1] // 2 * 2].unflatten(1, (-1, 2)).sum(2))
    import torch

    real = torch.arange(pairs.shape[1]) < steps[:, None]
    return (pairs * real[..., None]).sum(1) / steps[:, None].clamp(min=1)


def of_large_steps(model: Any, batch: Any) -> Any:
    return model(batch.x * batch.mask[..., None]).relu().max(1).values


@pytest.mark.parametrize("call", [of_shifted, of_every_other, of_large_steps])
def test_a_last_step_may_be_left_out_for_a_reason(linear: Any, call: Any) -> None:
    verdict = parity.check_model(linear, FEATURES, call=call, contracts=["reads_last_step"], **ONLY)
    assert verdict, str(verdict)


@pytest.mark.parametrize("short", [0, 1])
def test_a_loss_that_leaves_out_the_last_target_shows(linear: Any, short: int) -> None:
    inputs = parity.inputs(x=parity.features(5), target=parity.tokens(2, padding=-1), lengths=FEW)

    def loss(logits: Any, batch: Any) -> Any:
        real = batch.positions < (batch.lengths - short)[:, None]
        each = logits.log_softmax(2).gather(2, batch.target.clamp(min=0)[..., None])[..., 0]
        return -(each * (real & batch.mask)).sum()

    verdict = parity.check_model(linear, inputs, loss=loss, contracts=["reads_last_step"], **ONLY)
    assert bool(verdict) is (short == 0), str(verdict)


def test_too_few_lengths_tell_nothing_about_the_last_step(linear: Any) -> None:
    inputs = parity.inputs(x=parity.features(5), lengths=parity.lengths([4, 4, 4]))
    verdict = parity.check_model(linear, inputs, contracts=["reads_last_step"], **ONLY)
    assert verdict.declined == {"reads_last_step": "sequences of two lengths or more, from 2 steps on, would tell"}


INVERTED = {
    "with `drop` in place of `mask` it ignores padding: does it take True on padding for the mask?": "mask",
    "with `mask` in place of `drop` it ignores padding: does it take True on real steps for the mask?": "drop",
}


@pytest.mark.parametrize("note", INVERTED)
def test_a_mask_that_is_taken_the_other_way_round_is_noted(linear: Any, note: str) -> None:
    def call(model: Any, batch: Any) -> Any:
        kept = batch.drop if INVERTED[note] == "drop" else ~batch.mask
        return (model(batch.x) * kept[..., None]).sum(1)

    verdict = parity.check_model(linear, FEATURES, call=call, **ONLY)
    assert not verdict
    assert note in verdict.notes
    wrong = parity.check_model(linear, FEATURES, call=lambda m, b: m(b.x).sum(1) / b.mask.sum(1)[:, None], **ONLY)
    assert note not in wrong.notes


@pytest.mark.parametrize("kept", [True, False])
def test_a_mask_that_is_called_after_padding_may_mean_either(torch: Any, kept: bool) -> None:
    class Model(torch.nn.Linear):
        def forward(self, x: Any, padding_mask: Any) -> Any:
            return (super().forward(x) * (padding_mask if kept else ~padding_mask)[..., None]).sum(1)

    verdict = parity.check_model(Model(5, 2), FEATURES, **ONLY)
    assert verdict, str(verdict)
    meaning = "mask" if kept else "drop (True on padding: then it is ignored)"
    assert f"matched by name: padding_mask={meaning}" in verdict.notes


def test_padding_that_is_known_by_its_id_too_is_noted(torch: Any) -> None:
    def call(model: Any, batch: Any) -> Any:
        return (model(batch.tokens) * (batch.tokens != 0)[..., None]).sum(1) / batch.lengths[:, None]

    verdict = parity.check_model(torch.nn.Embedding(9, 3), IDS, call=call, **ONLY)
    assert verdict.failed == ("ignores_padding",)
    assert verdict.notes[-1].endswith("if it knows padding by its id, parity.tokens(…, known_by_value=True)")
    by_id = parity.inputs(tokens=parity.tokens(9, known_by_value=True), lengths=FEW)
    assert parity.check_model(torch.nn.Embedding(9, 3), by_id, call=call, **ONLY)


@full_run  # to load the compiler takes seconds
@pytest.mark.filterwarnings("ignore")
def test_compiled_parts_run_as_they_are_written(torch: Any) -> None:
    """Each run with noise, without gradients or in another dtype would be compiled anew."""
    torch._dynamo.reset()
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = torch.compile(torch.nn.Linear(5, 2))

        def forward(self, x: Any) -> Any:
            return self.inside(x)

    for model in (Model(), torch.compile(torch.nn.Linear(5, 2))):
        verdict = parity.check_model(model, FEATURES, **ONLY)
        assert verdict, str(verdict)
        assert verdict.name in ("Model", "Linear")
    assert graphs["unique_graphs"] == before


@pytest.mark.parametrize("explicit", [False, True])
def test_autocast_is_left_out_where_it_can_be(torch: Any, linear: Any, explicit: bool) -> None:
    def call(model: Any, batch: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (model(batch.x.bfloat16() if explicit else batch.x) * batch.mask[..., None]).sum(1)

    verdict = parity.check_model(linear, FEATURES, call=call, seeds=1)
    assert verdict, str(verdict)
    assert ("autocast was left out, which rounds more than padding could change" in verdict.notes) is not explicit
    assert not parity.check_model(linear, FEATURES, call=lambda m, b: call(m, b) + b.x.mean(), seeds=1)


def test_a_loss_of_the_next_step_has_none_of_a_single_step(torch: Any) -> None:
    inputs = parity.inputs(tokens=parity.tokens(9), labels=parity.tokens(9, padding=-100), lengths=FEW)

    def loss(logits: Any, batch: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())

    verdict = parity.check_model(torch.nn.Embedding(9, 9), inputs, loss=loss, **ONLY)
    assert verdict, str(verdict)


def test_nan_of_short_sequences_says_which_lengths_have_none(torch: Any) -> None:
    def call(model: Any, batch: Any) -> Any:
        steps = torch.arange(batch.x.shape[1]) < batch.lengths[:, None] - 1
        return model((batch.x * steps[..., None]).sum(1) / steps.sum(1, keepdim=True))

    verdict = parity.check_model(torch.nn.Linear(5, 2), FEATURES, call=call, **ONLY)
    assert "; of sequences no longer than 1: lengths=parity.lengths(shortest=2) has none" in str(verdict)


def test_a_model_that_raises_as_it_is_called_says_how_to_call_it(torch: Any) -> None:
    class Model(torch.nn.Linear):
        def forward(self, batch: Any) -> Any:
            return super().forward(batch["x"])

    verdict = parity.check_model(Model(5, 2), FEATURES, **ONLY)
    assert verdict.notes[-1] == "if it has to be called in another way: call=lambda model, batch: model(…)"
    called = parity.check_model(Model(5, 2), FEATURES, call=lambda model, batch: model({"x": batch.x}), **ONLY)
    assert called
    assert not called.notes


@pytest.mark.parametrize("over_all", [False, True])
def test_a_number_beside_outputs_is_the_loss_of_a_model_with_targets(torch: Any, over_all: bool) -> None:
    class Model(torch.nn.Embedding):
        def forward(self, tokens: Any, mask: Any, labels: Any) -> Any:
            logits = super().forward(tokens)
            each = torch.nn.functional.cross_entropy(logits.mT, labels.clamp(min=0), reduction="none") * mask
            return each.mean() if over_all else each.sum() / mask.sum(), logits

    inputs = parity.inputs(tokens=parity.tokens(9), labels=parity.tokens(4, padding=-100), lengths=FEW)
    verdict = parity.check_model(Model(9, 4), inputs, **ONLY)
    assert bool(verdict) is not over_all, str(verdict)
    assert not over_all or "loss is off by" in str(verdict)


def of_sums(logits: Any, batch: Any) -> Any:
    return (logits.logsumexp(2) * batch.mask).sum(1).mean()


def of_means(logits: Any, batch: Any) -> Any:
    return ((logits.logsumexp(2) * batch.mask).sum(1) / batch.lengths).mean()


def by_default(logits: Any, batch: Any) -> Any:
    """Return the CTC loss as PyTorch gives it: each is divided by its number of labels, and the mean is taken."""
    import torch

    log_probs = logits.log_softmax(2).transpose(0, 1)
    return torch.nn.CTCLoss(zero_infinity=True)(log_probs, batch.target, batch.lengths, (batch.lengths + 1) // 2)


@pytest.mark.parametrize(("loss", "holds"), [(of_sums, True), (of_means, False), (by_default, True)])
def test_a_mean_over_sequences_is_right_for_a_loss_of_sequences(linear: Any, loss: Any, holds: bool) -> None:
    inputs = parity.inputs(x=parity.features(5), target=parity.tokens(2), lengths=FEW)
    verdict = parity.check_model(linear, inputs, loss=loss, **ONLY)
    assert bool(verdict) is holds, str(verdict)
    assert holds or "the loss is a mean over sequences of means over their steps" in verdict.notes


@pytest.mark.parametrize("over_steps", [False, True])
def test_complex_outputs_are_compared(torch: Any, linear: Any, over_steps: bool) -> None:
    def call(model: Any, batch: Any) -> Any:
        z = torch.fft.rfft(model(batch.x) * batch.mask[..., None], dim=2)
        return torch.fft.fft(z, dim=1) if over_steps else z

    verdict = parity.check_model(linear, FEATURES, call=call, **ONLY)
    assert bool(verdict) is not over_steps, str(verdict)


def waveform(model: Any, batch: Any) -> Any:
    return model((batch.x * batch.mask).sum(1, keepdim=True))


def images(model: Any, batch: Any) -> Any:
    return model((batch.x.flatten(2).sum(2) * batch.mask).sum(1, keepdim=True))


RNG = np.random.default_rng(0)
SHAPES = {
    "numbers": (parity.inputs(x=parity.features(()), lengths=FEW), waveform),
    "a batch of numbers": (parity.batch(x=RNG.normal(size=(3, 5)), lengths=[5, 1, 3]), waveform),
    "images": (parity.inputs(x=parity.features((2, 3)), lengths=FEW), images),
    "a batch of images": (parity.batch(x=RNG.normal(size=(3, 5, 2, 3)), lengths=[5, 1, 3]), images),
    "several ids": (parity.batch(x=RNG.integers(1, 9, (3, 5, 2)), lengths=[5, 1, 3]), images),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_step_may_have_any_shape(torch: Any, name: str) -> None:
    inputs, call = SHAPES[name]

    def right(model: Any, batch: Any) -> Any:
        return call(lambda x: model(x.to(model.weight.dtype)), batch)

    assert parity.check_model(torch.nn.Linear(1, 2), inputs, call=right, **ONLY)
    verdict = parity.check_model(
        torch.nn.Linear(1, 2), inputs, call=lambda m, b: right(m, b) + b.x.double().sum(), **ONLY
    )
    assert "ignores_padding" in verdict.failed


@pytest.mark.parametrize("given", [False, True])
def test_labels_may_be_floats(torch: Any, given: bool) -> None:
    sampled = parity.inputs(x=parity.features(()), price=parity.labels(), lengths=FEW)
    own = parity.batch(x=RNG.normal(size=(3, 5)), price=RNG.normal(size=3), lengths=[5, 1, 3])

    def loss(output: Any, batch: Any) -> Any:
        return (output[:, 0] - batch.price).square().mean()

    assert parity.check_model(torch.nn.Linear(1, 1), own if given else sampled, call=waveform, loss=loss, **ONLY)
    with pytest.raises(parity.InputError, match="classes: got 1, expected a whole number from 2 on, or none"):
        parity.labels(1)


def of_both(of_target: bool) -> Any:
    """Return a call that adds the mean of the source to the target, which may be divided by the wrong lengths."""

    def model(linear: Any, source: Any, source_lengths: Any, target: Any, target_lengths: Any) -> Any:
        import torch

        lengths = target_lengths if of_target else source_lengths
        real = torch.arange(source.shape[1]) < lengths[:, None]
        return linear(target) + (source * real[..., None]).sum(1, keepdim=True).mean(2, keepdim=True)

    return model


CUT: dict[str, Any] = {
    "a shorter target": lambda m, b: m(b.source, b.lengths, b.target_x[:, ::2], (b.lengths + 1) // 2),
    "a shorter source": lambda m, b: m(b.source[:, ::2], (b.lengths + 1) // 2, b.target_x, b.lengths),
}


@pytest.mark.parametrize("cut", CUT)
def test_inputs_may_have_unequal_lengths(linear: Any, cut: str) -> None:
    inputs = parity.inputs(source=parity.features(5), target_x=parity.features(5), lengths=FEW)
    for of_target in (False, True):
        model = of_both(of_target)
        call = lambda own, batch: CUT[cut](lambda *given: model(own, *given), batch)  # noqa: B023, E731
        verdict = parity.check_model(linear, inputs, call=call, **ONLY)
        assert bool(verdict) is not (of_target and cut == "a shorter source"), str(verdict)


@pytest.fixture
def keras() -> Any:
    pytest.importorskip("tensorflow")
    module = pytest.importorskip("keras")
    module.utils.set_random_seed(0)
    return module


@pytest.mark.parametrize("masked", [True, False])
def test_a_functional_model_may_take_a_dict(keras: Any, masked: bool) -> None:
    given = {
        "tokens": keras.Input((None,), dtype="int32", name="tokens"),
        "padding_mask": keras.Input((None,), name="padding_mask"),
    }
    x = keras.layers.Embedding(9, 3)(given["tokens"])
    x = x * given["padding_mask"][..., None] if masked else x
    model = keras.Model(given, keras.layers.Dense(2)(keras.ops.sum(x, 1)))
    verdict = parity.check_model(model, IDS, contracts=["ignores_padding"], **ONLY)
    assert verdict.failed == (() if masked else ("ignores_padding",)), str(verdict)
    assert verdict.notes == ("matched by name: padding_mask=mask",) + (() if masked else verdict.notes[1:])


def test_a_tf_function_of_a_model_has_the_variables_of_each_run(keras: Any) -> None:
    """Its graph refers to the variables of the run in which it was made; its code does not."""
    import tensorflow as tf

    class Model(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(2)

        @tf.function(input_signature=[tf.TensorSpec((None, None, 5)), tf.TensorSpec((None, None), tf.bool)])
        def call(self, x: Any, mask: Any) -> Any:
            total = tf.zeros((tf.shape(x)[0], 5), x.dtype)
            for step in tf.range(tf.shape(x)[1]):
                total += tf.where(mask[:, step, None], x[:, step], 0)
            return self.out(total)

    model = Model()
    model(np.zeros((1, 2, 5), np.float32), np.ones((1, 2), bool))
    verdict = parity.check_model(model, FEATURES, seeds=1, contracts=["same_in_every_mode", "ignores_padding"])
    assert verdict, str(verdict)
    assert verdict.passed == ("same_in_every_mode", "ignores_padding")
    assert not [note for note in verdict.notes if "float32" in note]


@pytest.mark.parametrize("own", [False, True])
def test_random_numbers_of_a_generator_differ_from_run_to_run(keras: Any, own: bool) -> None:
    class Model(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(2)
            self.generator = keras.random.SeedGenerator(3)

        def call(self, x: Any) -> Any:
            y = self.out(x)
            return y + keras.random.normal(keras.ops.shape(y), dtype=y.dtype, seed=self.generator) if own else y

    verdict = parity.check_model(Model(), FEATURES, contracts=["repeatable"], **ONLY)
    assert verdict.failed == (("repeatable",) if own else ()), str(verdict)
