"""Run layers of a PyTorch module alone in float64, with other values for their arrays."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

BUFFERS = ("running_mean", "running_var")  # those that count as weights


def own_names(module):
    """Return the local names of a module's own arrays, parametrised ones as what they amount to."""
    names = [name for name, p in module._parameters.items() if p is not None]
    if parametrize.is_parametrized(module):
        names += list(module.parametrizations)
    old = [name.removesuffix("_g") for name in names if name.endswith("_g") and name.removesuffix("_g") + "_v" in names]
    names = [name for name in names if name.removesuffix("_g").removesuffix("_v") not in old] + old  # weight_norm
    return names + [name for name in BUFFERS if module._buffers.get(name) is not None]


def recurrent_alone(module, path, suffix, kind, sizes):
    into, hidden, projected = sizes

    def alone(values, given):
        options = {"proj_size": projected} if projected != hidden else {}
        options["bias"] = module.bias
        options |= {"nonlinearity": module.nonlinearity} if kind == "rnn" else {}
        made = getattr(nn, kind.upper())(into, hidden, batch_first=True, dtype=torch.float64, **options)
        own = {f"{name}_l0": values.get(f"{path}.{name}{suffix}".lstrip(".")) for name in LOCAL}
        return run_with(made, own, lambda run: run(tensor(given["x"]))[0])

    return alone


LOCAL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def tensor(array):
    return torch.as_tensor(np.array(array))


def applied(module, path, call, **settings):
    """Return a function that runs a copy of a module in float64 and inference mode, with other values.

    Args:
        module, path: of the model.
        call: takes a function that runs the copy, and the inputs.
        settings: attributes that the copy has instead: padding is a step of its own elsewhere.
    """

    def alone(values, given):
        own = materialised(module)
        vars(own).update(settings)
        prefix = f"{path}." if path else ""
        theirs = {name.removeprefix(prefix): array for name, array in values.items() if name.startswith(prefix)}
        given = {name: tensor(array) for name, array in given.items()}
        return run_with(own, theirs, lambda run: call(run, given))

    return alone


def materialised(module):
    """Return a copy in float64 with plain weights in place of parametrised ones."""
    copied = copy.deepcopy(module).double().cpu().eval()
    if parametrize.is_parametrized(copied):  # remove_parametrizations would change the class, which both share
        values = {name: getattr(copied, name) for name in copied.parametrizations}
        del copied._modules["parametrizations"]
        copied.__class__ = type(copied).__bases__[0]
        for name, value in values.items():
            copied.register_parameter(name, nn.Parameter(value.detach()))
    for name in [n for n in own_names(copied) if n not in copied._parameters and n not in copied._buffers]:
        nn.utils.remove_weight_norm(copied, name)
    return copied


def run_with(module, values, call):
    """Run a module with values for its arrays by name."""
    names = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    tensors = {name: tensor(np.asarray(a, np.float64)) for name, a in values.items() if a is not None and name in names}
    with torch.no_grad():
        run = lambda *inputs: torch.func.functional_call(module, tensors, inputs)  # noqa: E731
        return call(run).numpy()


def channels_first(x):
    return x.movedim(-1, 1)


def channels_last(x):
    return x.movedim(1, -1)


def over_channels(run, x, rank):
    """Run a layer on (B, T, C), with as many axes as it takes."""
    inside = channels_first(x)
    inside = inside.reshape(*inside.shape, *[1] * (rank - 3))
    return channels_last(run(inside).reshape(inside.shape[:3]))
