"""Describe the layers of a PyTorch module as units."""

import math

import numpy as np
from torch import nn

from parity.pairs.pytorch_alone import applied, channels_first, channels_last, over_channels, recurrent_alone
from parity.pairs.pytorch_computed import own_names
from parity.pairs.units import PLAIN, Unit, normalisation

GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}
KINDS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn", nn.LSTMCell: "lstm", nn.GRUCell: "gru", nn.RNNCell: "rnn"}
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def describe(module, path, ids):
    """Return the units of a module, and whether they cover what is inside of it too.

    Args:
        module: of the model.
        path: its path.
        ids: returns the numbers of one of its own arrays by its local name; None if there is none.
    """
    for kinds, function in DESCRIBE.items():
        if isinstance(module, kinds):
            return function(module, path, ids), True
    if (own := by_names(module, path, ids)) is not None:
        return own, True
    return [plain(path, name, ids) for name in own_names(module)], False


def plain(path, name, ids):
    found = ids(name)
    return Unit(f"{path}.{name}" if path else name, PLAIN, found.shape, {name: (found,)})


def by_names(module, path, ids):
    """Recognise a layer of the user's own by the names of its arrays and its class."""
    names, kind = own_names(module), type(module).__name__
    if not names or any(True for _ in module.children()):
        return None
    arrays = {name: ids(name) for name in names}
    if (found := normalisation(path, kind, arrays, epsilon(module))) is not None:
        return [found]
    if kind == "Conv1D" and set(arrays) <= {"weight", "bias"} and arrays["weight"].ndim == 2:
        kernel = arrays["weight"]  # of GPT-2 in transformers: (in, out)
        return [Unit(path, "dense", kernel.shape, {"kernel": (kernel,)} | optional(ids, bias="bias"))]
    return None


def epsilon(module):
    found = next((getattr(module, n) for n in ("eps", "epsilon", "variance_epsilon") if hasattr(module, n)), None)
    return {} if found is None else {"eps": float(found)}


def optional(ids, **names):
    found = {role.replace("_", " "): ids(name) for role, name in names.items()}
    return {role: (own,) for role, own in found.items() if own is not None}


def linear(module, path, ids):
    kernel = ids("weight").T
    alone = applied(module, path, lambda run, given: run(given["x"]))
    return [Unit(path, "dense", kernel.shape, {"kernel": (kernel,)} | optional(ids, bias="bias"), alone=alone)]


def embedding(module, path, ids):
    table = ids("weight")
    alone = applied(module, path, lambda run, given: run(given["ids"])) if isinstance(module, nn.Embedding) else None
    settings = {} if module.max_norm is None else {"max_norm": module.max_norm}
    return [Unit(path, "embedding", table.shape, {"table": (table,)}, settings=settings, alone=alone)]


def convolution(module, path, ids):
    """(out, in / groups, *width) -> (*width, in / groups, out); one of width 1 is a dense layer."""
    weight = ids("weight")
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    rank = weight.ndim - 2
    alone = applied(
        module, path, lambda run, given: channels_last(run(channels_first(given["x"]))), padding=(0,) * rank
    )
    arrays = {"kernel": (kernel,)} | optional(ids, bias="bias")
    stride = {"stride": tuple(module.stride)}
    if math.prod(module.kernel_size) == 1 and module.groups == 1 and rank == 1:
        arrays["kernel"] = (kernel.reshape(kernel.shape[-2:]),)
        return [Unit(path, "dense", kernel.shape[-2:], arrays, settings=stride, alone=alone)]
    settings = stride | {"dilation": tuple(module.dilation), "padding": paddings(module)}
    size = (*kernel.shape, module.groups)
    return [Unit(path, f"conv{rank}d", size, arrays, settings=settings, alone=alone)]


def paddings(module):
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if isinstance(module.padding, str):
        return tuple((t // 2, t - t // 2) if module.padding == "same" else (0, 0) for t in total)
    return tuple((p, p) for p in module.padding)


def transposed(module, path, ids):
    """(in, out / groups, *width) -> (*width, out / groups, in)."""
    weight = ids("weight")
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    alone = applied(module, path, lambda run, given: channels_last(run(channels_first(given["x"]))))
    settings = {"stride": tuple(module.stride), "dilation": tuple(module.dilation)}
    arrays = {"kernel": (kernel,)} | optional(ids, bias="bias")
    kind, size = f"conv_transpose{weight.ndim - 2}d", (*kernel.shape, module.groups)
    return [Unit(path, kind, size, arrays, settings=settings, alone=alone)]


def recurrent(module, path, ids):
    """Return one unit for each layer and direction."""
    units, size = [], module.hidden_size
    kind = next(kind for cell, kind in KINDS.items() if isinstance(module, cell))
    names = [(0, "")] if isinstance(module, nn.RNNCellBase) else None
    names = names or [(k, f"_l{k}{end}") for k in range(module.num_layers) for end in directions(module)]
    for level, suffix in names:
        arrays = gates(kind, size, lambda name, suffix=suffix: ids(name + suffix))
        into, projected = arrays["kernel"][0].shape[0], arrays["recurrent"][0].shape[0]
        direction = ("reverse" if suffix.endswith("_reverse") else "forward") if len(directions(module)) == 2 else ""
        part = ", ".join(filter(None, [f"layer {level}" if names[-1][0] else "", direction]))
        settings = {"activation": module.nonlinearity} if kind == "rnn" else {}
        settings |= {"recurrent activation": "sigmoid", "activation": "tanh"} if kind != "rnn" else {}
        formula = {"reset_after": True} if kind == "gru" else {}
        alone = recurrent_alone(module, path, suffix, kind, (into, size, projected))
        sizes = into, size, projected
        units.append(Unit(path, kind, sizes, arrays, part, formula, settings, alone, direction, level))
    return units


def directions(module):
    return ("", "_reverse") if getattr(module, "bidirectional", False) else ("",)


def gates(kind, size, ids):
    """Return kernels with the gates in Keras' order: i f c o, and z r n for r z n."""

    def ordered(own):
        return own if kind != "gru" else np.concatenate([own[size : 2 * size], own[:size], own[2 * size :]])

    arrays = {"kernel": (ordered(ids("weight_ih")).T,), "recurrent": (ordered(ids("weight_hh")).T,)}
    if (projection := ids("weight_hr")) is not None:
        arrays["projection"] = (projection.T,)
    if ids("bias_ih") is None:
        return arrays
    biases = ordered(ids("bias_ih")), ordered(ids("bias_hh"))
    if kind == "gru":
        return arrays | {"input bias": biases[:1], "recurrent bias": biases[1:]}
    return arrays | {"bias": biases}


def batch_norm(module, path, ids):
    arrays = optional(ids, gain="weight", bias="bias", mean="running_mean", variance="running_var")
    rank = {nn.BatchNorm2d: 4, nn.BatchNorm3d: 5}.get(type(module), 3)
    settings = {"eps": module.eps, "momentum": module.momentum}
    alone = applied(module, path, lambda run, given: over_channels(run, given["x"], rank))
    return [Unit(path, "batch_norm", (module.num_features,), arrays, settings=settings, alone=alone)]


def layer_norm(module, path, ids):
    arrays = optional(ids, gain="weight", bias="bias")
    kind = "layer_norm" if isinstance(module, nn.LayerNorm) else "rms_norm"
    alone = applied(module, path, lambda run, given: run(given["x"]))
    settings = {} if module.eps is None else {"eps": module.eps}
    return [Unit(path, kind, tuple(module.normalized_shape), arrays, settings=settings, alone=alone)]


def group_norm(module, path, ids):
    arrays = optional(ids, gain="weight", bias="bias")
    instance = isinstance(module, INSTANCE)
    channels, groups = [module.num_features] * 2 if instance else (module.num_channels, module.num_groups)
    rank = INSTANCE.index(type(module)) + 3 if instance else 3
    alone = applied(module, path, lambda run, given: over_channels(run, given["x"], rank))
    return [Unit(path, "group_norm", (channels, groups), arrays, settings={"eps": module.eps}, alone=alone)]


def attention(module, path, ids):
    """Split the packed projection by head; kernels are (in, H, d), and that of the output is (H, d, out)."""
    size, heads = module.embed_dim, module.num_heads
    packed, biases = ids("in_proj_weight"), ids("in_proj_bias")
    parts = [ids(f"{name}_proj_weight") for name in "qkv"] if packed is None else np.split(packed, 3)
    biases = [None] * 3 if biases is None else np.split(biases, 3)
    arrays = {}
    for role, weight, bias in zip(("query", "key", "value"), parts, biases, strict=True):
        arrays[role] = (weight.T.reshape(-1, heads, size // heads),)
        if bias is not None:
            arrays[f"{role} bias"] = (bias.reshape(heads, size // heads),)
    arrays["output"] = (ids("out_proj.weight").T.reshape(heads, size // heads, size),)
    arrays |= optional(ids, output_bias="out_proj.bias")
    arrays |= {name: (own,) for name in ("bias_k", "bias_v") if (own := ids(name)) is not None}
    sizes = (*(arrays[role][0].shape[0] for role in ("query", "key", "value")), size, heads, size // heads)
    formula = {"heads": heads, "size of a head": size // heads}

    def call(run, given):
        inputs = (given[name] for name in ("query", "key", "value"))
        return first(run(*(tensor if module.batch_first else tensor.transpose(0, 1) for tensor in inputs)))

    def first(output):
        return output[0] if module.batch_first else output[0].transpose(0, 1)

    alone = applied(module, path, call)
    return [Unit(path, "attention", sizes[:4], arrays, formula=formula, alone=alone)]


def prelu(module, path, ids):
    alone = applied(module, path, lambda run, given: over_channels(run, given["x"], 3))
    return [Unit(path, "prelu", (module.num_parameters,), {"slope": (ids("weight"),)}, alone=alone)]


DESCRIBE = {
    nn.Linear: linear,
    (nn.Embedding, nn.EmbeddingBag): embedding,
    TRANSPOSED: transposed,
    CONVOLUTIONS: convolution,
    (nn.RNNBase, nn.RNNCellBase): recurrent,
    nn.modules.batchnorm._BatchNorm: batch_norm,
    (nn.LayerNorm, nn.RMSNorm): layer_norm,
    (nn.GroupNorm, *INSTANCE): group_norm,
    nn.MultiheadAttention: attention,
    nn.PReLU: prelu,
}
