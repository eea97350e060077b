"""Run layers of a PyTorch module alone in float64, with other values for their arrays."""

import numpy as np
import torch
from torch import nn

from parity.models.pytorch_copying import copied
from parity.pairs.pytorch_computed import made_plain


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
    """Return a copy in float64 with plain weights in place of computed ones."""
    return made_plain(copied(module).double().cpu().eval())


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
