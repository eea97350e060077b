"""Call a module of PyTorch with other lengths, another mask, input or mode, for the time of a trial."""

import contextlib

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from parity.pairs.alternatives import GONE, PARTNERS, REPAIRED, SPOILED, Alternative
from parity.pairs.pytorch_half import changed, layers_of

DROP = "key_padding_mask"


def of_masks(layer, mask):
    """Yield other lengths or masks for a module, and 0 on the padding of its input."""
    if isinstance(layer, nn.RNNBase):
        change = called(layer, lambda a, k: packed(layer, a, k, mask), unpacked(mask))
        yield Alternative("lengths", "", "those of the batch", change, REPAIRED)
        yield Alternative(
            "lengths", "", GONE, called(layer, lambda a, k: padded(layer, a, k, mask), repacked(mask)), SPOILED
        )
    if isinstance(layer, nn.MultiheadAttention):
        change = called(layer, lambda a, k: (a, k | {DROP: turned_over(k[DROP], mask)}))
        yield Alternative(DROP, "inverted", "True on padding", change, PARTNERS)
        yield Alternative(DROP, "", "True on padding", called(layer, lambda a, k: (a, k | {DROP: ~mask})), REPAIRED)
        change = called(layer, lambda a, k: (a, k | {DROP: ~mask.flip(1)}))
        yield Alternative(DROP, "", "True on the first steps, padding on the left", change, REPAIRED)
        yield Alternative(DROP, "", GONE, called(layer, lambda a, k: (a, k | {DROP: None})), SPOILED)
    yield Alternative("padding of its input", "", "0", called(layer, lambda a, k: (zeroed(a, mask), k)))


def turned_over(given, mask):
    """Return the right mask in place of one that is the opposite."""
    own = given if given.dtype == torch.bool else given < 0
    if not torch.equal(own, mask):
        raise ValueError("it is not inverted")
    return ~mask


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


def padded(layer, args, kwargs, mask):
    y, _ = pad_packed_sequence(args[0], layer.batch_first, total_length=mask.shape[1])
    return (y, *args[1:]), kwargs


def repacked(mask):
    def change(layer, output):
        y, states = output
        return pack_padded_sequence(y, mask.sum(1), layer.batch_first, enforce_sorted=False), states

    return change


def zeroed(args, mask):
    first = args[0]
    if not first.is_floating_point():
        raise ValueError("there is no padding")
    if first.ndim == 3 and first.shape[::2] == mask.shape:  # channels before steps
        return (torch.where(mask[:, None], first, 0), *args[1:])
    if first.shape[:2] != mask.shape:
        raise ValueError("there is no padding")
    return (torch.where(mask.reshape(*mask.shape, *[1] * (first.ndim - 2)), first, 0), *args[1:])


def of_calls(layer, training):
    """Yield other arguments for a module: its mode, an initial state, key and value, a causal mask."""
    if layer.training and not training:
        yield Alternative("mode", "training", "inference", changed(layer, "training", False), PARTNERS)
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.track_running_stats:
        own = layer.training
        names = ("inference", "training, with the statistics of the batch")
        yield Alternative("mode", names[own], names[not own], changed(layer, "training", not own))
    if isinstance(layer, nn.Embedding):
        for by, text in ((1, "one more"), (-1, "one less")):
            yield Alternative("ids", "", text, called(layer, lambda a, k, by=by: ((a[0] + by, *a[1:]), k)))
    if isinstance(layer, nn.RNNBase):
        yield Alternative("initial state", "", GONE, called(layer, lambda a, k: (a[:1], without_state(a, k))), SPOILED)
        if isinstance(layer, nn.LSTM):
            yield Alternative("initial state", "", "(h, c) exchanged", called(layer, exchanged_states))
    if isinstance(layer, nn.MultiheadAttention):
        change = called(layer, exchanged_keys)
        yield Alternative("key and value", "", "exchanged", change)
        yield Alternative("causal mask", "", "one", called(layer, lambda a, k: (a, k | causal(layer, a, k))))
        yield Alternative("causal mask", "", GONE, called(layer, lambda a, k: (a, uncaused(k))), SPOILED)


def without_state(args, kwargs):
    if len(args) < 2 and kwargs.get("hx") is None:
        raise ValueError("there is no initial state")
    return {name: value for name, value in kwargs.items() if name != "hx"}


def exchanged_states(args, kwargs):
    return (args[0], tuple(args[1][::-1]), *args[2:]), kwargs


def exchanged_keys(args, kwargs):
    if len(args) < 3:
        return args, kwargs | {"key": kwargs["value"], "value": kwargs["key"]}
    return (args[0], args[2], args[1], *args[3:]), kwargs


def causal(layer, args, kwargs):
    query = args[0] if args else kwargs["query"]
    steps = query.shape[1 if layer.batch_first else 0]
    return {"attn_mask": torch.ones(steps, steps, dtype=torch.bool).triu(1), "is_causal": False}


def uncaused(kwargs):
    if kwargs.get("attn_mask") is None:
        raise ValueError("there is no mask")
    return kwargs | {"attn_mask": None, "is_causal": False}


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


@contextlib.contextmanager
def entering(side, path, number, array):
    """Let a layer receive other numbers as one of its float inputs in its first call, until the context ends."""
    calls = []

    def replaced(layer, args, kwargs):  # noqa: ARG001
        if not calls:
            calls.append(path)
            args, kwargs = with_array(args, kwargs, number, array)
        return args, kwargs

    handle = layers_of(side)[path].register_forward_pre_hook(replaced, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def with_array(args, kwargs, number, array):
    """Return arguments with an array in place of a float tensor, of which the first has the number 0."""
    seen = -1

    def other(value):
        nonlocal seen
        if not (isinstance(value, torch.Tensor) and value.is_floating_point()):
            return value
        seen += 1
        return torch.as_tensor(array).to(value) if seen == number else value

    return tuple(map(other, args)), {name: other(value) for name, value in kwargs.items()}


def tensor_of(array):
    """Return an array as a tensor."""
    return torch.as_tensor(array)
