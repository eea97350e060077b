"""Yield what modules of PyTorch, and functions between them, may do otherwise."""

import contextlib
from functools import partial

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from parity.pairs.alternatives import GONE, PARTNERS, REPAIRED, Alternative, of_settings, of_slope, together
from parity.pairs.pytorch_half import SETTINGS, changed, layers_of
from parity.pairs.pytorch_masking import of_calls, of_masks


def gelu_tanh(x):
    return functional.gelu(x, approximate="tanh")


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {
    "relu": functional.relu,
    "exact gelu": functional.gelu,
    "gelu with tanh": gelu_tanh,
    "quick gelu": quick_gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "elu": functional.elu,
    "relu6": functional.relu6,
    "mish": functional.mish,
    "leaky_relu with 0.01": functional.leaky_relu,
}


def alternatives(side, path, other, mask):
    """Yield the known alternatives of a layer.

    Args:
        side: the model.
        path: of the layer.
        other: settings of the layer's partner.
        mask: of the batch, (B, T).
    """
    layer = layers_of(side).get(path)
    if layer is None:
        return
    yield from of_settings(layer, SETTINGS, other, changed)
    yield from of_kind(layer)
    own = getattr(layer, "activation", None)
    if callable(own):
        for name, function in ACTIVATIONS.items():
            if function is not own:
                before = getattr(own, "__name__", type(own).__name__)
                yield Alternative("activation", before, name, swapped_in(layer, function))
    yield from of_calls(layer, side.training)
    yield from of_masks(layer, torch.as_tensor(mask))


def of_kind(layer):
    """Yield other values of what one kind of module has."""
    if isinstance(layer, nn.GELU):
        new = "tanh" if layer.approximate == "none" else "none"
        yield Alternative("approximate", layer.approximate, new, changed(layer, "approximate", new))
    elif isinstance(layer, nn.LeakyReLU):
        yield from of_slope(layer, changed)
    elif isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
        yield Alternative("padding_idx", f"{layer.padding_idx}", "None", changed(layer, "padding_idx", None))
    elif isinstance(layer, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        order = ("pre-norm", "post-norm") if layer.norm_first else ("post-norm", "pre-norm")
        yield Alternative("order", *order, changed(layer, "norm_first", not layer.norm_first))
    elif isinstance(layer, nn.AvgPool1d | nn.AvgPool2d):
        own = layer.count_include_pad
        yield Alternative("count_include_pad", f"{own}", f"{not own}", changed(layer, "count_include_pad", not own))
    elif isinstance(layer, nn.RNN):
        for name in {"tanh", "relu"} - {layer.nonlinearity}:
            context = together(changed(layer, "nonlinearity", name), changed(layer, "mode", f"RNN_{name.upper()}"))
            yield Alternative("nonlinearity", layer.nonlinearity, name, context)
    if isinstance(layer, nn.RNNBase | nn.MultiheadAttention):
        own = layer.batch_first
        rank = REPAIRED if not own else PARTNERS + 2
        yield Alternative("batch_first", f"{own}", f"{not own}", changed(layer, "batch_first", not own), rank)


@contextlib.contextmanager
def swapped_in(layer, function):
    before = layer.activation
    object.__setattr__(layer, "activation", function) if not isinstance(before, nn.Module) else None
    if isinstance(before, nn.Module):
        layer.activation = _Function(function)
    try:
        yield
    finally:
        if isinstance(before, nn.Module):
            layer.activation = before
        else:
            object.__setattr__(layer, "activation", before)


class _Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Replaced(TorchFunctionMode):
    """Calls other functions in place of some, by their names."""

    def __init__(self, **functions):
        super().__init__()
        self.functions = functions

    def __torch_function__(self, function, types, args=(), kwargs=None):
        other = self.functions.get(getattr(function, "__name__", ""))
        return other(function, *args, **(kwargs or {})) if other else function(*args, **(kwargs or {}))


def operations(mask):
    """Yield what functions that are no modules may do otherwise, anywhere in a model."""
    mask = torch.as_tensor(mask)
    same = lambda _, x, *__, **___: x  # noqa: E731
    names = ("dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_dropout", "dropout_")
    yield Alternative("dropout", "", GONE, Replaced(**dict.fromkeys(names, same)), PARTNERS)
    own = "of the first steps of each row, as if padding were on the right"
    packing = Replaced(_pack_padded_sequence=last_steps, _pad_packed_sequence=moved_back)
    yield Alternative("packing", own, "the last steps, as padding is on the left", packing, REPAIRED)
    masked = lambda softmax, x, dim=-1, *a, **k: softmax(filled(x, dim, mask), dim, *a, **k)  # noqa: E731
    yield Alternative("softmax", "over padding too", "real steps only", Replaced(softmax=masked), REPAIRED)
    for axis, text in ((-1, "the last axis"), (1, "the steps")):
        over = lambda softmax, x, *_, axis=axis, **__: softmax(x, axis)  # noqa: E731
        yield Alternative("softmax", "over another axis", text, Replaced(softmax=over))
    inverted = lambda fill, x, where, value: fill(x, ~where, value)  # noqa: E731
    other = Replaced(masked_fill=inverted, masked_fill_=inverted)
    yield Alternative("mask of masked_fill", "", "the opposite of it", other)
    attention = "scaled_dot_product_attention"
    usual = lambda run, q, k, v, *a, **options: run(q, k, v, *a, **(options | {"scale": None}))  # noqa: E731
    yield Alternative("scale", "", "1 over the root of a head's width", Replaced(**{attention: usual}), REPAIRED)
    swapped = lambda run, q, k, v, *a, **options: run(q, v, k, *a, **options)  # noqa: E731
    yield Alternative("key and value", "", "exchanged", Replaced(**{attention: swapped}))
    seeing = {attention: partial(attended, real=mask, causal=False)}
    yield Alternative("mask of attention", "", "True on real steps", Replaced(**seeing), REPAIRED)
    causal = {attention: partial(attended, real=torch.ones_like(mask), causal=True)}
    yield Alternative("mask of attention", "", "True on earlier steps", Replaced(**causal), REPAIRED)
    both = {attention: partial(attended, real=mask, causal=True)}
    yield Alternative("mask of attention", "", "True on real and earlier steps", Replaced(**both), REPAIRED)


def attended(run, q, k, v, *_, real, causal, **options):
    """Run attention in which each query sees real keys only, and none behind it if it is causal."""
    if k.shape[0] != real.shape[0] or k.shape[-2] != real.shape[1]:
        raise ValueError("its keys are not the steps")
    seen = real.reshape(len(real), *[1] * (k.ndim - 2), -1)
    if causal:
        seen = seen & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    return run(q, k, v, **(options | {"attn_mask": seen, "is_causal": False}))


def filled(x, dim, mask):
    """Return numbers with -inf on padding, if an axis is that of steps."""
    dim = dim % x.ndim
    if x.shape[0] != mask.shape[0] or x.shape[dim] != mask.shape[1]:
        raise ValueError("it is not over steps")
    shape = [size if axis in (0, dim) else 1 for axis, size in enumerate(x.shape)]
    return x.masked_fill(~mask.reshape(shape), -torch.inf)


def last_steps(pack, x, lengths, batch_first):
    """Pack the last steps of each row: it is padded on the left."""
    own = x if batch_first else x.transpose(0, 1)
    moved = shifted(own, lengths)
    return pack(moved if batch_first else moved.transpose(0, 1), lengths, batch_first)


def moved_back(pad, data, sizes, batch_first, value, total):
    y, lengths = pad(data, sizes, batch_first, value, total)
    own = y if batch_first else y.transpose(0, 1)
    moved = shifted(own, own.shape[1] - lengths)
    return moved if batch_first else moved.transpose(0, 1), lengths


def shifted(x, by):
    """Roll each row so that its last steps are the first."""
    at = (torch.arange(x.shape[1]) - by[:, None]) % x.shape[1]
    return x[torch.arange(len(x))[:, None], at]
