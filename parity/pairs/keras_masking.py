"""Call a Keras layer with another mask, another input, or in another mode, for the time of a trial."""

import contextlib

import keras
import tensorflow as tf
from keras.src.backend import get_keras_mask, set_keras_mask

from parity.pairs.alternatives import GONE, PARTNERS, REPAIRED, SPOILED, Alternative
from parity.pairs.keras_half import layers_of

L = keras.layers


def of_masks(layer, mask):
    """Yield other masks for a layer, and 0 on the padding of its input."""
    if layer._layers and not isinstance(layer, L.RNN | L.Bidirectional | L.MultiHeadAttention):
        return
    whole, on_the_left = tf.constant(mask), tf.constant(mask[:, ::-1])
    attends = isinstance(layer, L.MultiHeadAttention)
    if attends:
        change = called(layer, lambda a, k: (a, turned_over(k, whole)))
        yield Alternative("mask", "inverted", "True on real steps", change, PARTNERS)
    for value, after in ((whole, "True on real steps"), (on_the_left, "True on the last steps, padding on the left")):
        if attends:
            change = called(layer, lambda a, k, value=value: (a, attended(k, value)))
            yield Alternative("mask", "", after, change, REPAIRED)
        elif isinstance(layer, L.RNN | L.Bidirectional):  # of its input it takes none if it has an initial state
            change = called(layer, lambda a, k, value=value: (masked(a, value), unmasked(k) | {"mask": value}))
            yield Alternative("mask", "", after, change, REPAIRED)
        elif takes_mask(layer):
            change = called(layer, lambda a, k, value=value: (masked(a, value), unmasked(k)))
            yield Alternative("mask", "", after, change, REPAIRED)
    change = called(layer, lambda a, k: (masked(a, None), unmasked(k)))
    yield Alternative("mask", "", GONE, change, SPOILED)
    yield Alternative("padding of its input", "", "0", called(layer, lambda a, k: (zeroed(a, whole), k)))


def takes_mask(layer):
    return isinstance(layer, L.GlobalAveragePooling1D | L.BatchNormalization | L.Softmax)


def masked(args, mask):
    """Return arguments whose first tensor has another mask."""
    first = tf.identity(args[0])
    if mask is not None and first.shape[:2] == mask.shape:
        set_keras_mask(first, mask)
    return (first, *map(tf.identity, args[1:]))


def unmasked(kwargs):
    return {name: value for name, value in kwargs.items() if "mask" not in name}


def attended(kwargs, mask):
    causal = {"use_causal_mask": kwargs["use_causal_mask"]} if "use_causal_mask" in kwargs else {}
    return unmasked(kwargs) | causal | {"attention_mask": mask[:, None, :]}


def turned_over(kwargs, mask):
    """Return the right mask in place of one that is the opposite."""
    given = kwargs.get("attention_mask")
    if given is None or not tf.reduce_all(tf.cast(given, tf.bool) != mask[:, None, :]):
        raise ValueError("there is no inverted mask")
    return attended(kwargs, mask)


def zeroed(args, mask):
    first = args[0]
    if not first.dtype.is_floating or first.shape[:2] != mask.shape:
        raise ValueError("there is no padding")
    new = tf.where(tf.reshape(mask, (*mask.shape, *[1] * (len(first.shape) - 2))), first, tf.zeros_like(first))
    if (own := get_keras_mask(first)) is not None:
        set_keras_mask(new, own)
    return (new, *args[1:])


def of_calls(layer):
    """Yield other arguments for a layer: its mode, an initial state, key and value, a causal mask."""
    yield Alternative("mode", "training", "inference", called(layer, lambda a, k: (a, inference(k))), PARTNERS)
    if isinstance(layer, L.Embedding):
        for by, text in ((1, "one more"), (-1, "one less")):
            yield Alternative("ids", "", text, called(layer, lambda a, k, by=by: ((moved(a[0], by), *a[1:]), k)))
    if isinstance(layer, L.RNN | L.Bidirectional):
        change = called(layer, lambda a, k: (a[:1], without(k, "initial_state")))
        yield Alternative("initial state", "", GONE, change, SPOILED)
        change = called(layer, lambda a, k: (a, k | {"initial_state": k["initial_state"][::-1]}))
        yield Alternative("initial state", "", "(h, c) exchanged", change)
    if isinstance(layer, L.MultiHeadAttention):
        change = called(layer, lambda a, k: ((a[0], key_of(a, k), a[1]), without(k, "key")))
        yield Alternative("key and value", "", "exchanged", change)
        for causal, after, rank in ((True, "one", REPAIRED), (False, GONE, SPOILED)):
            change = called(layer, lambda a, k, causal=causal: (a, k | {"use_causal_mask": causal}))
            yield Alternative("causal mask", "", after, change, rank)
    if isinstance(layer, L.Attention):
        for text, power in (("1 over the root of the width", -0.5), ("the root of the width", 0.5)):
            yield Alternative("scale", "", text, called(layer, lambda a, k, power=power: (scaled(a, power), k)))


def moved(ids, by):
    """Return other ids, with the mask that these have."""
    new = ids + tf.cast(by, ids.dtype)
    if (own := get_keras_mask(ids)) is not None:
        set_keras_mask(new, own)
    return new


def scaled(args, power):
    """Return the arguments of dot-product attention with another scale of the query."""
    query, *others = args[0]
    return ([query * tf.cast(query.shape[-1], query.dtype) ** power, *others], *args[1:])


def inference(kwargs):
    if kwargs.get("training") is not True:
        raise ValueError("it is in the mode of inference")
    return kwargs | {"training": False}


def without(kwargs, name):
    return {own: value for own, value in kwargs.items() if own != name}


def key_of(args, kwargs):
    return args[2] if len(args) > 2 else kwargs.get("key", args[1])


def padded_by_hand(layer, before, behind):
    """Let a convolution pad its steps by other numbers."""
    return called(layer, lambda a, k: ((tf.pad(a[0], [[0, 0], [before, behind], [0, 0]]), *a[1:]), k))


def entering(side, path, number, array):
    """Let a layer receive other numbers as one of its float inputs in its first call."""
    calls = []

    def replaced(args, kwargs):
        if calls:
            return args, kwargs
        calls.append(path)
        floats = [at for at, one in enumerate(args) if getattr(getattr(one, "dtype", None), "is_floating", False)]
        new = list(args)
        new[floats[number]] = tf.constant(array, new[floats[number]].dtype)
        if (own := get_keras_mask(args[floats[number]])) is not None:
            set_keras_mask(new[floats[number]], own)
        return tuple(new), kwargs

    return called(layers_of(side)[path], replaced)


@contextlib.contextmanager
def called(layer, change):
    """Call a layer with other arguments until the context ends."""
    original = L.Layer.__call__

    def call(own, *args, **kwargs):
        if own is layer:
            args, kwargs = change(args, kwargs)
        return original(own, *args, **kwargs)

    L.Layer.__call__ = call
    try:
        yield
    finally:
        L.Layer.__call__ = original


def tensor_of(array):
    """Return an array as a tensor."""
    return tf.constant(array)
