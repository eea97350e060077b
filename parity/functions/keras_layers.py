"""Fit a layer or a model of Keras to the weights of an operation."""

from functools import partial
from inspect import signature

import keras
import tensorflow as tf

from parity.functions.modules import Claim, Fitted, Unfit, arguments_of, claimed, merged, unlike, weights_of
from parity.tensorflow.rnn import keras_layout
from parity.tensorflow.runtime import valid

RECURRENT = {"4": keras.layers.LSTM, "3": keras.layers.GRU, "1": keras.layers.SimpleRNN}
DENSE = (("w", "bias"), ("w", "b"), ("w_out", "b_out"))
FEATURES = 2  # of a layer that is not built yet


def fit(layer, config, dtype):
    """Return a layer or a model as a function of a configuration.

    Raises:
        Unfit: it cannot compute that.
    """
    bare = type(layer).__module__.startswith("keras.")
    if type(layer) in RECURRENT.values():
        layer = _copied(layer, dtype, return_sequences=True, return_state=True)
    elif bare and not isinstance(layer, keras.Model):
        layer = _copied(layer, dtype)
    if not layer.built:
        raise Unfit("it is not built: call it once, or build it")
    if layer.compute_dtype != dtype:
        raise Unfit(f"it computes in {layer.compute_dtype}: give one that is made with dtype={dtype!r}")
    owners = {one.name: one for one in _owners(layer)}
    claims = claimed({name: _claim(one, config) for name, one in owners.items()}, config)
    fixed = frozenset().union(*(claim.fixed for claim in claims.values()))
    ignored = ("training", "sequence", "initial_state") if bare else ("training",)
    taken = arguments_of(layer.call, config, ignored)
    finals = [name for name in ("h", "c") if name in config.outputs] if type(layer) in RECURRENT.values() else []
    function = partial(_called, layer, owners, claims, taken, config, finals)
    return Fitted(function, merged([claim.sizes for claim in claims.values()]), fixed=fixed | set(taken.values()))


def _copied(layer, dtype, **settings):
    """Return a layer of Keras' own with the same settings, in a dtype, built for as many features."""
    known = signature(type(layer).__init__).parameters
    settings = {name: value for name, value in settings.items() if name in known or "units" in known}
    copied = type(layer).from_config({**layer.get_config(), "dtype": dtype, **settings})
    features = FEATURES
    if layer.built and layer.weights and not isinstance(layer, keras.layers.Embedding):
        features = layer.weights[0].shape[0]
    copied.build((None, None) if isinstance(layer, keras.layers.Embedding) else (None, None, features))
    return copied


def _owners(layer):
    """Yield the layers that have weights; one that is known stands for all inside it."""
    known = (*RECURRENT.values(), keras.layers.Bidirectional)
    inside = [one for one in getattr(layer, "_layers", []) if isinstance(one, keras.Layer)]
    if isinstance(layer, known) or not inside:
        if layer.trainable_variables:
            yield layer
        return
    if set(map(id, layer.trainable_variables)) - {id(v) for one in inside for v in one.trainable_variables}:
        yield layer  # it has weights of its own too, of which nothing is known
        return
    for one in inside:
        yield from _owners(one)


def _claim(layer, config):
    """Return the weights that a layer takes; None if nothing is known of it."""
    axes = weights_of(config)
    if "w_rec" in axes and isinstance(layer, (*RECURRENT.values(), keras.layers.Bidirectional)):
        return _recurrent(layer, config, axes)
    if isinstance(layer, keras.layers.Embedding) and "table" in axes:
        if "padding_index" in config.options:
            unlike("the padding index", 0 if layer.mask_zero else None, config.options["padding_index"])
        sizes = {"V": layer.input_dim, "D": layer.output_dim}
        return Claim(("table",), sizes, lambda given: {"0": given["table"]}, frozenset({"padding_index"}))
    if isinstance(layer, keras.layers.Dense):
        return _dense(layer, config, axes)
    if isinstance(layer, keras.layers.LayerNormalization) and {"gamma", "beta"} <= set(axes):
        unlike("epsilon", layer.epsilon, config.options.get("eps", layer.epsilon))
        sizes, layout = {"H": layer.gamma.shape[-1]}, lambda given: {"0": given["gamma"], "1": given["beta"]}
        return Claim(("gamma", "beta"), sizes, layout, frozenset({"eps"}))
    if isinstance(layer, keras.layers.RMSNormalization) and set(axes) == {"gamma"}:
        unlike("epsilon", layer.epsilon, config.options.get("eps", layer.epsilon))
        return Claim(("gamma",), {"H": layer.scale.shape[-1]}, lambda given: {"0": given["gamma"]}, frozenset({"eps"}))
    if isinstance(layer, keras.layers.Conv1D) and "w.0" in config.inputs and len(axes["w"]) == 3:
        unlike("the number of convolutions", 1, sum(name.startswith("w.") for name in config.inputs))
        unlike("kernel_size", tuple(layer.kernel_size), (3,))
        unlike("padding", layer.padding, config.options["padding"])
        sizes = {"D": layer.kernel.shape[1], "H": layer.filters}
        layout = lambda given: {"0": given["w"][0], "1": given["bias"][0]}  # noqa: E731
        return Claim(("w", "bias"), sizes, layout, frozenset({"padding"}))
    return None


def _dense(layer, config, axes):
    names = next((pair for pair in DENSE if set(pair) <= set(axes) and len(axes[pair[0]]) == 2), None)
    if names is None:
        return None
    unlike("use_bias", layer.use_bias, True)
    unlike("activation", layer.activation.__name__, config.options.get("activation", "linear"))
    sizes = dict(zip(axes[names[0]], layer.kernel.shape, strict=True))
    layout = lambda given: {"0": given[names[0]], "1": given[names[1]]}  # noqa: E731
    return Claim(names, sizes, layout, frozenset({"activation"}))


def _recurrent(layer, config, axes):
    both = isinstance(layer, keras.layers.Bidirectional)
    one = layer.forward_layer if both else layer
    kind = RECURRENT[axes["w_in"][-2]]
    unlike("the class", type(one).__name__, kind.__name__)
    unlike("the number of layers", 1, sum(name.startswith("w_rec.") for name in config.inputs))
    unlike("Bidirectional", both, axes["w_rec"].startswith("2"))
    unlike("use_bias", one.use_bias, True)
    if kind is keras.layers.GRU:
        unlike("reset_after", one.reset_after, True)
    wanted = config.options.get("activation", "tanh")
    unlike("activation", one.activation.__name__, wanted)

    def layout(given):
        weights = given["w_in"][0], given["w_rec"][0], given["bias"][0]
        directions = zip(*map(tf.unstack, weights), strict=True) if both else [weights]
        tensors = [tensor for direction in directions for tensor in keras_layout(kind, *direction)]
        return dict(zip(map(str, range(len(tensors))), tensors, strict=True))

    sizes = {"D": one.cell.kernel.shape[0], "H": one.units}
    return Claim(("w_in", "w_rec", "bias"), sizes, layout, frozenset({"activation"}))


def _called(layer, owners, claims, taken, config, finals, /, **arguments):
    """Call a layer with weights in place of its own, so that gradients reach them."""
    first = next(iter(config.inputs))
    values = {}
    for name, claim in claims.items():
        own = owners[name].trainable_variables
        values |= {id(own[int(at)]): tensor for at, tensor in claim.layout(arguments).items()}
    weights = [values[id(variable)] for variable in layer.trainable_variables]
    available = {**arguments, "mask": valid(arguments["lengths"], tf.shape(arguments[first])[1], config.left)}
    given = {parameter: available[name] for parameter, name in taken.items()}
    inputs = given.pop(next(parameter for parameter, name in taken.items() if name == first))
    outputs, _ = layer.stateless_call(weights, layer.non_trainable_variables, inputs, **given)
    if not finals:
        return outputs
    y, *states = outputs
    return {"y": y, **{name: state[None] for name, state in zip(finals, states, strict=True)}}
