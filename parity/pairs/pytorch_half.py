"""Hold a copy of a module in float64 for the time of a check, and change single layers of it."""

import contextlib
import copy

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from parity.pairs.alternatives import of_epsilon, of_slope, settings

# common name -> those of modules, also of people's own
SETTINGS = {"eps": ("eps", "epsilon", "variance_epsilon"), "padding": ("padding",), "stride": ("stride",)}


def hold(side, dtype, stack):  # noqa: ARG001
    """Let a side have a copy of its module in a dtype; the user's own is not touched."""
    side.originals = {id(p): name for name, p in side.model.named_parameters()}  # to which an optimiser refers
    side.model = copy.deepcopy(side.copied(dtype))
    side.copies.clear()
    side.saved.clear()


def layers_of(side):
    """Return all layers of the copy in float64 by their paths."""
    return dict(side.copied("float64").named_modules())


@contextlib.contextmanager
def changed(layer, name, value):
    """Give a layer another attribute until the context ends."""
    before = getattr(layer, name)
    setattr(layer, name, value)
    try:
        yield
    finally:
        setattr(layer, name, before)


def activation_of(side, path):
    """Return None: activations are layers or functions of their own."""


def settings_of(side, path):
    """Return the settings of a layer by their common names."""
    return settings(layers_of(side).get(path), SETTINGS)


def gelu_tanh(x):
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS = {
    "relu": functional.relu,
    "exact gelu": functional.gelu,
    "gelu with tanh": gelu_tanh,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "elu": functional.elu,
}


def alternatives(side, path, other, mask):
    """Yield the known alternatives of a layer: what, its value here, that which is tried, and a context.

    Args:
        side: the model.
        path: of the layer.
        other: settings of the layer's partner.
        mask: of the batch, (B, T).
    """
    layer = layers_of(side).get(path)
    if layer is None:
        return
    yield from of_epsilon(layer, SETTINGS["eps"], other, changed)
    if isinstance(layer, nn.GELU):
        new = "tanh" if layer.approximate == "none" else "none"
        yield "approximate", layer.approximate, new, changed(layer, "approximate", new)
    if isinstance(layer, nn.LeakyReLU):
        yield from of_slope(layer, changed)
    if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
        yield "padding_idx", f"{layer.padding_idx}", "None", changed(layer, "padding_idx", None)
    own = getattr(layer, "activation", None)
    if callable(own):
        for name, function in ACTIVATIONS.items():
            if function is not own:
                yield "activation", getattr(own, "__name__", type(own).__name__), name, swapped_in(layer, function)
    if isinstance(layer, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        order = ("pre-norm", "post-norm") if layer.norm_first else ("post-norm", "pre-norm")
        yield "order", *order, changed(layer, "norm_first", not layer.norm_first)
    yield from of_masks(layer, torch.as_tensor(mask))


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


def of_masks(layer, mask):
    if isinstance(layer, nn.RNNBase):
        yield (
            "lengths",
            "",
            "those of the batch",
            called(layer, lambda a, k: packed(layer, a, k, mask), unpacked(mask)),
        )
        yield "lengths", "", "taken away", called(layer, lambda a, k: padded(layer, a, k), repacked(mask))
    if isinstance(layer, nn.MultiheadAttention):
        drop = "key_padding_mask"
        yield drop, "", "True on padding", called(layer, lambda a, k: (a, k | {drop: ~mask}))
        yield drop, "", "inverted", called(layer, lambda a, k: (a, k | {drop: inverted(k[drop])}))
        yield drop, "", "taken away", called(layer, lambda a, k: (a, k | {drop: None}))
    yield "padding of its input", "", "0", called(layer, lambda a, k: (zeroed(a, mask), k))


def inverted(mask):
    if mask.dtype == torch.bool:
        return ~mask
    return torch.where(mask == 0, -torch.inf, torch.zeros_like(mask))


def packed(layer, args, kwargs, mask):
    if isinstance(args[0], PackedSequence):
        raise ValueError("it is packed")
    lengths = mask.sum(1)
    return (pack_padded_sequence(args[0], lengths, layer.batch_first, enforce_sorted=False), *args[1:]), kwargs


def unpacked(mask):
    def change(layer, output):
        y, states = output
        return pad_packed_sequence(y, layer.batch_first, total_length=mask.shape[1])[0], states

    return change


def padded(layer, args, kwargs):
    y, _ = pad_packed_sequence(args[0], layer.batch_first)
    return (y, *args[1:]), kwargs


def repacked(mask):
    def change(layer, output):
        y, states = output
        return pack_padded_sequence(y, mask.sum(1), layer.batch_first, enforce_sorted=False), states

    return change


def zeroed(args, mask):
    first = args[0]
    if not first.is_floating_point() or first.shape[:2] != mask.shape:
        raise ValueError("there is no padding")
    return (torch.where(mask.reshape(*mask.shape, *[1] * (first.ndim - 2)), first, 0), *args[1:])


@contextlib.contextmanager
def called(layer, change, after=None):
    """Call a layer with other arguments until the context ends."""
    handles = [layer.register_forward_pre_hook(lambda _, a, k: change(a, k), with_kwargs=True)]
    if after:
        handles.append(layer.register_forward_hook(lambda own, _, output: after(own, output)))
        layer._forward_hooks.move_to_end(handles[-1].id, last=False)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
