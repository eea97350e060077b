"""Fit a module of PyTorch to the weights of an operation."""

from functools import partial

from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.functions.modules import Claim, Fitted, Unfit, arguments_of, claimed, merged, unlike, weights_of
from parity.pytorch.attention import torch_layout as attention_layout
from parity.pytorch.rnn import torch_layout
from parity.pytorch.runtime import valid

RECURRENT = {"4": nn.LSTM, "3": nn.GRU, "1": nn.RNN}
DENSE = (("w", "bias"), ("w", "b"), ("w_out", "b_out"))


def fit(module, config, dtype):  # noqa: ARG001  # weights bring their dtype
    """Return a module as a function of a configuration.

    Raises:
        Unfit: it cannot compute that.
    """
    owners = {name: one for name, one in module.named_modules() if any(p is not None for p in one._parameters.values())}
    claims = {name or type(one).__name__: _claim(one, config) for name, one in owners.items()}
    prefixes = {name or type(one).__name__: f"{name}." if name else "" for name, one in owners.items()}
    claims = claimed(claims, config)
    fixed = frozenset().union(*(claim.fixed for claim in claims.values()))
    sizes = merged([claim.sizes for claim in claims.values()])
    call, packed = _call(module, config), _is_bare(module, nn.RNNBase)

    def function(**arguments):
        weights = {
            prefixes[name] + parameter: tensor
            for name, claim in claims.items()
            for parameter, tensor in claim.layout(arguments).items()
        }
        return call(partial(functional_call, module, weights), arguments)

    taken = set(config.options) if packed else set(arguments_of(module.forward, config))
    return Fitted(function, sizes, packed, fixed | (taken & set(config.options)))


def _claim(layer, config):
    """Return the weights that a layer takes; None if nothing is known of it."""
    axes = weights_of(config)
    if isinstance(layer, nn.RNNBase) and "w_rec" in axes:
        return _recurrent(layer, config, axes)
    if isinstance(layer, nn.Embedding) and "table" in axes:
        if "padding_index" in config.options:
            unlike("padding_idx", layer.padding_idx, config.options["padding_index"])
        sizes = {"V": layer.num_embeddings, "D": layer.embedding_dim}
        return Claim(("table",), sizes, lambda given: {"weight": given["table"]}, frozenset({"padding_index"}))
    if isinstance(layer, nn.Linear):
        return _dense(layer, axes)
    if isinstance(layer, nn.LayerNorm) and {"gamma", "beta"} <= set(axes):
        unlike("eps", layer.eps, config.options.get("eps", layer.eps))
        sizes = {"H": layer.normalized_shape[-1]}
        layout = partial(_renamed, {"weight": "gamma", "bias": "beta"})
        return Claim(("gamma", "beta"), sizes, layout, frozenset({"eps"}))
    if isinstance(layer, nn.RMSNorm) and set(axes) == {"gamma"}:
        unlike("eps", layer.eps, config.options.get("eps", layer.eps))
        sizes = {"H": layer.normalized_shape[-1]}
        return Claim(("gamma",), sizes, partial(_renamed, {"weight": "gamma"}), frozenset({"eps"}))
    if isinstance(layer, nn.Conv1d) and "w.0" in config.inputs and len(axes["w"]) == 3:
        return _convolution(layer, config)
    if isinstance(layer, nn.MultiheadAttention) and "bias_in" in axes:
        unlike("num_heads", layer.num_heads, config.options["heads"])
        names = ("w_in", "bias_in", "w_out", "bias_out")
        layout = lambda given: attention_layout(*(given[name] for name in names))  # noqa: E731
        return Claim(names, {"H": layer.embed_dim}, layout, frozenset({"heads"}))
    return _by_name(layer, axes)


def _recurrent(layer, config, axes):
    kind = RECURRENT[axes["w_in"][-2]]
    if not isinstance(layer, kind):
        unlike("the class", type(layer).__name__, kind.__name__)
    layers = sum(name.startswith("w_rec.") for name in config.inputs)
    unlike("num_layers", layer.num_layers, layers)
    unlike("bidirectional", layer.bidirectional, axes["w_rec"].startswith("2"))
    unlike("bias", layer.bias, True)
    unlike("proj_size", layer.proj_size, 0)
    if kind is nn.RNN:
        unlike("nonlinearity", layer.nonlinearity, config.options.get("activation", "tanh"))

    def layout(given):
        named = {}
        for k, weights in enumerate(zip(given["w_in"], given["w_rec"], given["bias"], strict=True)):
            directions = zip(*weights, strict=True) if layer.bidirectional else [weights]
            for suffix, one in zip(("", "_reverse"), directions, strict=False):
                named |= {f"{name}_l{k}{suffix}": tensor for name, tensor in torch_layout(*one).items()}
        return named

    sizes = {"D": layer.input_size, "H": layer.hidden_size}
    return Claim(("w_in", "w_rec", "bias"), sizes, layout, frozenset({"activation"}))


def _dense(layer, axes):
    names = next((pair for pair in DENSE if set(pair) <= set(axes) and len(axes[pair[0]]) == 2), None)
    if names is None:
        return None
    unlike("bias", layer.bias is not None, True)
    sizes = dict(zip(axes[names[0]], (layer.in_features, layer.out_features), strict=True))
    return Claim(names, sizes, lambda given: {"weight": given[names[0]].T, "bias": given[names[1]]})


def _convolution(layer, config):
    unlike("the number of convolutions", 1, sum(name.startswith("w.") for name in config.inputs))
    unlike("kernel_size", layer.kernel_size, (3,))
    sizes = {"D": layer.in_channels, "H": layer.out_channels}
    layout = lambda given: {"weight": given["w"][0].permute(2, 1, 0), "bias": given["bias"][0]}  # noqa: E731
    return Claim(("w", "bias"), sizes, layout)


def _by_name(layer, axes):
    """Return the parameters that have the name and the axes of a weight."""
    own = {name: p for name, p in layer._parameters.items() if p is not None}
    if not all(name in axes and p.dim() == len(axes[name]) for name, p in own.items()):
        return None
    sizes = merged([dict(zip(axes[name], p.shape, strict=True)) for name, p in own.items()])
    return Claim(tuple(own), sizes, partial(_renamed, {name: name for name in own}))


def _renamed(names, given):
    return {parameter: given[name] for parameter, name in names.items()}


def _is_bare(module, kind):
    """Tell whether a module is a layer of PyTorch's own, called as PyTorch defines it."""
    return isinstance(module, kind) and type(module).forward.__module__.startswith("torch.nn")


def _call(module, config):
    """Return a function that calls a module, given the call with weights and the arguments."""
    first = next(iter(config.inputs))
    if _is_bare(module, nn.RNNBase):
        if config.left:
            raise Unfit("its lengths are given by packing, which counts them from the first step: padding comes first")
        return partial(_packed, module, [start for start in ("h0", "c0") if start in config.inputs])
    if _is_bare(module, nn.Linear):
        unlike("the activation", "linear", config.options.get("activation", "linear"))
    taken = arguments_of(module.forward, config)

    def call(run, given):
        available = {**given, "mask": valid(given["lengths"], given[first].shape[1], config.left)}
        return run((), {parameter: available[name] for parameter, name in taken.items()})

    return call


def _packed(module, starts, run, given):
    """Run a recurrent layer on packed sequences."""
    x, lengths = given["x"], given["lengths"]
    values = x if module.batch_first else x.transpose(0, 1)
    sequences = pack_padded_sequence(values, lengths.cpu(), module.batch_first, enforce_sorted=False)
    states = [given[start].flatten(0, given[start].dim() - 3) for start in starts]
    start = () if not states else (tuple(states) if len(states) == 2 else states[0],)
    out, final = run((sequences, *start), {})
    y, _ = pad_packed_sequence(out, module.batch_first, total_length=x.shape[1])
    h, *c = final if isinstance(final, tuple) else (final,)
    shape = (module.num_layers, 2) if module.bidirectional else (module.num_layers,)
    outputs = {"y": y if module.batch_first else y.transpose(0, 1), "h": h.unflatten(0, shape)}
    return outputs | ({"c": c[0].unflatten(0, shape)} if c else {})
