"""Describe the layers of a Keras model as units."""

import keras
import numpy as np

from parity.pairs.keras_alone import CELLS, TRANSPOSED, applied, attending, over_channels, over_image
from parity.pairs.units import PLAIN, Unit, normalisation

L = keras.layers
RECURRENT = (L.RNN, L.Bidirectional, *CELLS)
CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.Conv3D)
DEPTHWISE = (L.DepthwiseConv1D, L.DepthwiseConv2D)
SEPARABLE = (L.SeparableConv1D, L.SeparableConv2D)
RMS = getattr(L, "RMSNormalization", ())
ATTENTION = tuple(getattr(L, name) for name in ("MultiHeadAttention", "GroupQueryAttention") if hasattr(L, name))


def describe(layer, path, ids):
    """Return the units of a layer, and whether they cover what is inside of it too.

    Args:
        layer: of the model.
        path: its path.
        ids: returns the numbers of a variable's elements; None for None.
    """
    if layer.built:
        for kinds, function in DESCRIBE.items():
            if isinstance(layer, kinds) and (units := function(layer, path, ids)) is not None:
                return units, True
    own = own_variables(layer)
    arrays = {v.name: ids(v) for v in own}
    settings = {"eps": float(layer.epsilon)} if hasattr(layer, "epsilon") else {}
    found = normalisation(path, type(layer).__name__, arrays, settings) if own else None
    return ([found], True) if found else ([plain(path, v, ids) for v in own], False)


def own_variables(layer):
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    return [variable for variable in own if keras.backend.is_float_dtype(variable.dtype)]


def plain(path, variable, ids):
    found = ids(variable)
    return Unit(f"{path}/{variable.name}" if path else variable.name, PLAIN, found.shape, {variable.name: (found,)})


def optional(ids, **variables):
    return {role.replace("_", " "): (ids(v),) for role, v in variables.items() if v is not None}


def name_of(activation):
    return getattr(activation, "__name__", type(activation).__name__)


def dense(layer, path, ids):
    kernel = ids(layer._kernel)
    settings = {"activation": name_of(layer.activation)}
    arrays = {"kernel": (kernel,)} | optional(ids, bias=layer.bias)
    return [Unit(path, "dense", kernel.shape, arrays, settings=settings, alone=applied(layer))]


def einsum_dense(layer, path, ids):
    """Lay a kernel out as (in, out): the axes that are summed over, then those that the output has."""
    inputs, rest = layer.equation.replace(" ", "").split(",")
    letters, outputs = rest.split("->")
    summed = [letter for letter in inputs if letter in letters and letter not in outputs]
    kept = [letter for letter in outputs if letter in letters and letter not in inputs]
    if sorted(summed + kept) != sorted(letters):
        return None  # it has a kernel for each step or group
    kernel = ids(layer._kernel).transpose([letters.index(letter) for letter in summed + kept])
    sizes = dict(zip(letters, layer._kernel.shape, strict=True))
    into = int(np.prod([sizes[letter] for letter in summed]))
    arrays = {"kernel": (kernel.reshape(into, -1),)}
    if layer.bias is not None:
        bias = ids(layer.bias)
        if bias.size != kernel.size // into:
            return None
        arrays["bias"] = (bias.reshape(-1),)
    ends = inputs.endswith("".join(summed)) and outputs.endswith("".join(kept))
    shape = [sizes[letter] for letter in summed]
    alone = (
        applied(layer, lambda run, x: flat_last(run(split_last(x, shape, len(inputs))), len(kept))) if ends else None
    )
    settings = {"activation": name_of(layer.activation)}
    return [Unit(path, "dense", arrays["kernel"][0].shape, arrays, settings=settings, alone=alone)]


def split_last(x, shape, rank):
    x = x.reshape(*x.shape[:-1], *shape)
    return x if x.ndim == rank else x.reshape(-1, *x.shape[x.ndim - rank + 1 :])


def flat_last(y, axes):
    return y.reshape(*y.shape[: y.ndim - axes], -1)


def embedding(layer, path, ids):
    table = ids(layer._embeddings)
    units = [Unit(path, "embedding", table.shape, {"table": (table,)}, alone=applied(layer, key="ids"))]
    reverse = getattr(layer, "reverse_embeddings", None)
    if reverse is not None and not getattr(layer, "tie_weights", True):
        units.append(Unit(path, "dense", ids(reverse).shape, {"kernel": (ids(reverse),)}, part="reverse", level=1))
    return units


def convolution(layer, path, ids):
    kernel, options = ids(layer._kernel), convolution_settings(layer)
    arrays = {"kernel": (kernel,)} | optional(ids, bias=layer.bias)
    if kernel.ndim == 3 and kernel.shape[0] == 1 and layer.groups == 1:
        arrays["kernel"] = (kernel[0],)
        kept = {name: options[name] for name in ("stride", "activation")}
        return [Unit(path, "dense", kernel.shape[1:], arrays, settings=kept, alone=applied(layer))]
    size = (*kernel.shape, layer.groups)
    return [Unit(path, f"conv{kernel.ndim - 2}d", size, arrays, settings=options, alone=over_image(layer))]


def convolution_settings(layer):
    rank = len(layer.kernel_size)
    dilation, stride = ([one] * rank if isinstance(one, int) else one for one in (layer.dilation_rate, layer.strides))
    total = [d * (k - 1) for d, k in zip(dilation, layer.kernel_size, strict=True)]
    left = {"valid": 0, "causal": 1, "same": 0.5}[layer.padding]  # the part of the padding that is before the steps
    own = tuple((int(t * left), 0 if left in (0, 1) else t - t // 2) for t in total)
    if layer.padding == "same" and max(stride) > 1:
        own = "same, which depends on T"
    options = {"stride": tuple(stride), "dilation": tuple(dilation), "padding": own}
    return options | {"activation": name_of(layer.activation)}


def transposed(layer, path, ids):
    kernel, options = ids(layer.kernel), convolution_settings(layer)
    del options["padding"]
    arrays = {"kernel": (kernel,)} | optional(ids, bias=layer.bias)
    size = (*kernel.shape, 1)
    kind = f"conv_transpose{kernel.ndim - 2}d"
    return [Unit(path, kind, size, arrays, settings=options, alone=over_image(layer))]


def depthwise(layer, path, ids):
    """(*width, in, multiplier) -> (*width, 1, in · multiplier), with in groups."""
    kernel = ids(layer.kernel)
    *width, channels, multiplier = kernel.shape
    arrays = {"kernel": (kernel.reshape(*width, 1, -1),)} | optional(ids, bias=layer.bias)
    size = (*width, 1, channels * multiplier, channels)
    options = convolution_settings(layer)
    return [Unit(path, f"conv{len(width)}d", size, arrays, settings=options, alone=over_image(layer))]


def separable(layer, path, ids):
    """Return two units: a depthwise convolution, and a dense layer or one of width 1."""
    first, second = ids(layer.depthwise_kernel), ids(layer.pointwise_kernel)
    *width, channels, multiplier = first.shape
    inner = channels * multiplier
    options = convolution_settings(layer)
    activation = {"activation": options.pop("activation")}
    kernel = {"kernel": (first.reshape(*width, 1, inner),)}
    arrays = {"kernel": (second[0] if len(width) == 1 else second,)} | optional(ids, bias=layer.bias)
    size = arrays["kernel"][0].shape if len(width) == 1 else (*second.shape, 1)
    kind = "dense" if len(width) == 1 else "conv2d"
    return [
        Unit(path, f"conv{len(width)}d", (*width, 1, inner, channels), kernel, part="depthwise", settings=options),
        Unit(path, kind, size, arrays, part="pointwise", settings=activation, level=1),
    ]


def recurrent(layer, path, ids):
    """Return one unit for each cell and direction."""
    if isinstance(layer, L.Bidirectional):
        units = []
        for direction in ("forward", "reverse"):
            inner = layer.forward_layer if direction == "forward" else layer.backward_layer
            own = recurrent(inner, f"{path}/{inner.name}", ids)
            if own is None:
                return None
            units += [replaced(unit, path, direction) for unit in own]
        return units
    cells = cells_of(layer)
    if not all(isinstance(cell, tuple(CELLS)) and cell.built for cell in cells):
        return None
    reverse = "reverse" if getattr(layer, "go_backwards", False) else ""
    many = len(cells) > 1
    return [
        cell_unit(cell, path, ids, part=f"cell {level}" if many else "", direction=reverse, level=level)
        for level, cell in enumerate(cells)
    ]


def replaced(unit, path, direction):
    part = ", ".join(filter(None, [unit.part, direction]))
    return Unit(**(vars(unit) | {"path": path, "part": part, "direction": direction}))


def cells_of(layer):
    cell = layer.cell if isinstance(layer, L.RNN) else layer
    inside = cell.cells if isinstance(cell, L.StackedRNNCells) else [cell]
    return [deeper for one in inside for deeper in (cells_of(one) if isinstance(one, L.StackedRNNCells) else [one])]


def cell_unit(cell, path, ids, **options):
    kind = next(kind for own, kind in CELLS.items() if isinstance(cell, own))
    arrays = {"kernel": (ids(cell.kernel),), "recurrent": (ids(cell.recurrent_kernel),)}
    formula = {}
    if kind == "gru":
        formula["reset_after"] = bool(cell.reset_after)
    if cell.bias is not None:
        bias = ids(cell.bias)
        two = bias.ndim == 2
        arrays |= {"input bias": (bias[0],), "recurrent bias": (bias[1],)} if two else {"bias": (bias,)}
    own = {"activation": name_of(cell.activation)}
    if kind != "rnn":
        own["recurrent activation"] = name_of(cell.recurrent_activation)
    size = (cell.kernel.shape[0], cell.units, cell.units)
    alone = applied(cell, lambda run, x: run(x), make=lambda: L.RNN(cell, return_sequences=True, dtype="float64"))
    return Unit(path, kind, size, arrays, formula=formula, settings=own, alone=alone, **options)


def batch_norm(layer, path, ids):
    arrays = optional(ids, gain=layer.gamma, bias=layer.beta, mean=layer.moving_mean, variance=layer.moving_variance)
    own = {"eps": layer.epsilon, "momentum": round(1 - layer.momentum, 12)}
    size = layer.moving_mean.shape
    return [Unit(path, "batch_norm", tuple(size), arrays, settings=own, alone=over_channels(layer))]


def layer_norm(layer, path, ids):
    if getattr(layer, "rms_scaling", False):
        return None
    arrays = optional(ids, gain=layer.gamma, bias=layer.beta)
    size = tuple(arrays[next(iter(arrays))][0].shape) if arrays else ()
    return [Unit(path, "layer_norm", size, arrays, settings={"eps": layer.epsilon}, alone=applied(layer))]


def rms_norm(layer, path, ids):
    scale = ids(layer.scale)
    return [
        Unit(path, "rms_norm", scale.shape, {"gain": (scale,)}, settings={"eps": layer.epsilon}, alone=applied(layer))
    ]


def group_norm(layer, path, ids):
    arrays = optional(ids, gain=layer.gamma, bias=layer.beta)
    channels = next(iter(arrays.values()))[0].size if arrays else -1
    size = (channels, layer.groups if layer.groups != -1 else channels)
    return [Unit(path, "group_norm", size, arrays, settings={"eps": layer.epsilon}, alone=over_channels(layer))]


def attention(layer, path, ids):
    arrays = {}
    for role in ("query", "key", "value", "output"):
        inner = getattr(layer, f"_{role}_dense")
        arrays[role] = (ids(inner._kernel),)
        arrays |= optional(ids, **({f"{role}_bias": inner.bias}))
    shapes = {role: own[0].shape for role, own in arrays.items()}
    sizes = shapes["query"][0], shapes["key"][0], shapes["value"][0], shapes["output"][-1]
    formula = {"heads": shapes["query"][1], "size of a head": shapes["query"][2]}
    if shapes["key"][1:] != shapes["query"][1:] or shapes["value"][1:] != shapes["query"][1:]:
        formula |= {"heads of keys": shapes["key"][1], "size of a value": shapes["value"][2]}

    return [Unit(path, "attention", sizes, arrays, formula=formula, alone=attending(layer))]


def prelu(layer, path, ids):
    slope = ids(layer.alpha)
    shared = slope.size == max(slope.shape)
    return [
        Unit(
            path,
            "prelu",
            (slope.size,) if shared else slope.shape,
            {"slope": (slope.reshape(-1),)},
            alone=applied(layer),
        )
    ]


DESCRIBE = {
    RECURRENT: recurrent,
    ATTENTION: attention,
    SEPARABLE: separable,
    DEPTHWISE: depthwise,
    TRANSPOSED: transposed,
    CONVOLUTIONS: convolution,
    L.EinsumDense: einsum_dense,
    L.Dense: dense,
    L.Embedding: embedding,
    L.BatchNormalization: batch_norm,
    L.LayerNormalization: layer_norm,
    L.GroupNormalization: group_norm,
    L.PReLU: prelu,
    RMS: rms_norm,
}
