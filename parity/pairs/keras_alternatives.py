"""Yield what Keras layers, and operations between them, may do otherwise."""

from unittest import mock

import keras
import tensorflow as tf

from parity.pairs.alternatives import GONE, PARTNERS, REPAIRED, Alternative, of_settings, of_slope, together
from parity.pairs.keras_activations import ACTIVATIONS, name_of
from parity.pairs.keras_half import SETTINGS, changed, layers_of
from parity.pairs.keras_masking import of_calls, of_masks, padded_by_hand

L = keras.layers
GATES = ("sigmoid", "hard_sigmoid of Keras 3", "hard_sigmoid of Keras 2")
INNER = ("tanh", "relu", "sigmoid", "no activation", "hard_sigmoid of Keras 3", "softsign")


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
    yield from of_activations(layer)
    yield from of_kind(layer)
    if isinstance(getattr(layer, "padding", None), str) and isinstance(layer, L.Conv1D | L.SeparableConv1D):
        yield from of_padding(layer)
    yield from of_calls(layer)
    yield from of_masks(layer, mask)


def of_kind(layer):
    """Yield other values of what one kind of layer has."""
    if isinstance(layer, L.Bidirectional):
        for mode in ("concat", "sum", "mul", "ave"):
            if mode != layer.merge_mode:
                yield Alternative("merge_mode", layer.merge_mode, mode, changed(layer, "merge_mode", mode))
    elif isinstance(layer, L.RNN):
        own = layer.go_backwards
        yield Alternative("go_backwards", f"{own}", f"{not own}", changed(layer, "go_backwards", not own))
    elif isinstance(layer, L.LeakyReLU):
        yield from of_slope(layer, changed)
    elif isinstance(layer, L.LayerNormalization):
        own = getattr(layer, "rms_scaling", False)
        yield Alternative("rms_scaling", f"{own}", f"{not own}", changed(layer, "rms_scaling", not own))
    elif isinstance(layer, L.MultiHeadAttention):
        head, name = layer._key_dim, "_inverse_sqrt_key_dim"
        width = head * layer._num_heads
        for text, value in (
            ("1 over the root of a head's width", head**-0.5),
            ("1 over the root of the whole width", width**-0.5),
            ("1", 1.0),
            ("1 over a head's width", 1 / head),
        ):
            if value != getattr(layer, name):
                yield Alternative("scale", f"{getattr(layer, name):.4g}", text, changed(layer, name, value))


def of_padding(layer):
    """Yield other paddings of a convolution: those of Keras, and numbers as PyTorch has them."""
    for padding in ("same", "causal", "valid"):
        if padding != layer.padding:
            yield Alternative("padding", layer.padding, padding, changed(layer, "padding", padding))
    total = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
    for before, behind in dict.fromkeys([(total // 2, total // 2), (0, total), (total - total // 2, total // 2)]):
        context = together(changed(layer, "padding", "valid"), padded_by_hand(layer, before, behind))
        yield Alternative("padding", layer.padding, f"{before} steps before and {behind} behind", context)


def cells(layer):
    inner = [layer.forward_layer, layer.backward_layer] if isinstance(layer, L.Bidirectional) else [layer]
    found = []
    for one in inner:
        cell = one.cell if isinstance(one, L.RNN) else one
        found += cell.cells if isinstance(cell, L.StackedRNNCells) else [cell]
    return found


def of_activations(layer):
    if isinstance(layer, L.RNN | L.Bidirectional) or hasattr(layer, "recurrent_kernel"):
        every = [cell for cell in cells(layer) if hasattr(cell, "activation")]
        for attribute, names in (("recurrent_activation", GATES), ("activation", INNER)):
            own = {getattr(cell, attribute, None) for cell in every} - {None}
            for name in names if len(own) == 1 else ():
                one = own.copy().pop()
                if ACTIVATIONS[name] is not one:
                    context = together(*(changed(cell, attribute, ACTIVATIONS[name]) for cell in every))
                    yield Alternative(attribute, name_of(one), name, context)
    elif callable(own := getattr(layer, "activation", None)):
        for name, function in ACTIVATIONS.items():
            if function is not own:
                yield Alternative("activation", name_of(own), name, changed(layer, "activation", function))


def operations(mask):
    """Yield what operations that are no layers may do otherwise, anywhere in a model."""
    random = keras.src.backend.random
    without = mock.patch.object(random, "dropout", lambda x, *_, **__: x)
    yield Alternative("dropout", "", GONE, without, PARTNERS)
    softmax = tf.nn.softmax

    def over_real(logits, axis=-1, **_):
        return softmax(filled(logits, axis, tf.constant(mask)), axis)

    yield Alternative(
        "softmax", "over padding too", "real steps only", mock.patch.object(tf.nn, "softmax", over_real), REPAIRED
    )
    for axis, text in ((-1, "the last axis"), (1, "the steps")):

        def over(logits, *_, own=axis, **__):
            return softmax(logits, own)

        yield Alternative("softmax", "over another axis", text, mock.patch.object(tf.nn, "softmax", over))


def filled(logits, axis, mask):
    """Return logits with -inf on padding, if an axis is that of steps."""
    axis = axis % len(logits.shape)
    if logits.shape[0] != mask.shape[0] or logits.shape[axis] != mask.shape[1]:
        raise ValueError("it is not over steps")
    shape = [size if at in (0, axis) else 1 for at, size in enumerate(logits.shape)]
    return tf.where(tf.reshape(mask, shape), logits, tf.constant(-float("inf"), logits.dtype))
