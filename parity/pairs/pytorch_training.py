"""Train a module: its state before and after a step, its own optimiser, and its layers with moving statistics."""

import contextlib
import copy
import inspect
from unittest import mock

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from parity.errors import InputError, first_lines, message_of, shown
from parity.models.pytorch_copying import copied
from parity.models.pytorch_side import by_default, state
from parity.pairs.pytorch_computed import made_plain
from parity.pairs.pytorch_half import changed, layers_of
from parity.pairs.rules import CORRECTED, COUPLED, DECOUPLED, IN_MAXIMUM, OUTSIDE, Rule

EXPECTED = "a torch.optim optimiser, or a function that makes one from a list of parameters"


@contextlib.contextmanager
def in_training(side):
    """Let a module be in the mode of training until the context ends."""
    before, side.training = side.training, True
    side.renew()
    try:
        yield
    finally:
        side.training = before
        side.renew()


def arrays(side):
    """Return all parameters and buffers by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in state(side.model).items()}


def load(side, values):
    """Let a side run with other parameters and buffers."""
    with torch.no_grad():
        for name, tensor in state(side.model).items():
            tensor.copy_(torch.as_tensor(values[name]))
    side.renew()


def run(setting, values, noise):
    """Return gradients, and the buffers afterwards, of a run with some parameters and buffers."""
    side, after = setting.view.side, {}
    original = side.restore

    def restore(module, dtype):
        after.update({name: b.detach().numpy().copy() for name, b in module.named_buffers() if b.is_floating_point()})
        after.update({name: b.numpy().copy() for name, b in module.named_buffers() if not b.is_floating_point()})
        original(module, dtype)

    load(side, values)
    with mock.patch.object(side, "restore", restore):
        ran = setting.view.run(setting.base, noise=noise)
    return ran.gradients, {name: array for name, array in after.items() if name in values}


@contextlib.contextmanager
def uncomputed(side):
    """Let a module have parameters in place of weights that it computes from several, until the context ends."""
    before = side.model
    side.model = copied(before)
    for module in list(side.model.modules()):
        made_plain(module)
    side.renew()
    try:
        yield
    finally:
        side.model = before
        side.renew()


class Optimiser:
    """A user's own optimiser on parameters that are copies.

    Args:
        given: an optimiser of the user's module, a class, or a function of parameters, or of a module.
        side: of the module.
        dtype: of the copies.
    """

    def __init__(self, given, side, dtype):
        self.module = copy.deepcopy(side.model).to(getattr(torch, dtype))
        self.parameters = dict(self.module.named_parameters())
        self.dtype = dtype
        try:
            with by_default(dtype):  # in which NAdam keeps a product
                self.own = self.made(given, getattr(side, "originals", {}))
        except Exception as error:
            received = f"{shown(given)}, which raised {first_lines(message_of(error))}"
            raise InputError("optimiser", received, EXPECTED) from error
        if not isinstance(self.own, torch.optim.Optimizer):
            raise InputError("optimiser", shown(given), EXPECTED)

    def made(self, given, originals):
        if isinstance(given, torch.optim.Optimizer):
            groups = [
                {**group, "params": [self.parameters[originals[id(p)]] for p in group["params"]]}
                for group in given.param_groups
            ]
            return type(given)(groups)
        own = [p for p in self.parameters.values() if p.requires_grad]
        try:
            return given(own)
        except (TypeError, AttributeError):
            if inspect.isclass(given):
                raise
            return given(self.module)

    def step(self, weights, gradients):
        """Return the weights after a step."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.as_tensor(weights[name]))
                gradient = gradients.get(name)
                parameter.grad = None if gradient is None else torch.as_tensor(gradient).to(parameter.dtype)
        with by_default(self.dtype):
            self.own.step()
        return {**weights, **{name: p.detach().numpy().copy() for name, p in self.parameters.items()}}

    def rule(self):
        """Return what it does to each array as a `Rule`; None if that is not known."""
        kind = type(self.own)
        read = READ.get(kind.__name__) if kind.__module__.startswith("torch.optim") else None
        if read is None or any(group.get("maximize") for group in self.own.param_groups):
            return None
        names = {id(p): name for name, p in self.parameters.items()}
        groups = [(names[id(p)], group) for group in self.own.param_groups for p in group["params"]]
        return Rule({name: read(group) | common(group) for name, group in groups})


def common(group):
    decay = DECOUPLED if group.get("decoupled_weight_decay") else COUPLED
    return {"learning_rate": float(group["lr"]), "weight_decay": float(group.get("weight_decay", 0)), "decay": decay}


def moments(group):
    return {"beta_1": float(group["betas"][0]), "beta_2": float(group["betas"][1]), "epsilon": group["eps"]}


READ = {
    "SGD": lambda g: {"kind": "sgd", **{name: g[name] for name in ("momentum", "nesterov", "dampening")}},
    "Adam": lambda g: {"kind": "adam", **moments(g), "at": CORRECTED, "amsgrad": g["amsgrad"]},
    "AdamW": lambda g: {"kind": "adam", **moments(g), "at": CORRECTED, "amsgrad": g["amsgrad"]},
    "NAdam": lambda g: {"kind": "nadam", **moments(g), "at": CORRECTED, "momentum_decay": g["momentum_decay"]},
    "Adamax": lambda g: {"kind": "adamax", **moments(g), "at": IN_MAXIMUM},
    "RMSprop": lambda g: {
        **{"kind": "rmsprop", "rho": g["alpha"], "epsilon": g["eps"], "at": OUTSIDE},
        **{name: g[name] for name in ("momentum", "centered")},
    },
    "Adagrad": lambda g: {
        **{"kind": "adagrad", "epsilon": g["eps"], "at": OUTSIDE},
        **{"initial_accumulator": g["initial_accumulator_value"], "learning_rate_decay": g["lr_decay"]},
    },
    "Adadelta": lambda g: {"kind": "adadelta", "rho": g["rho"], "epsilon": g["eps"]},
}


def norms(side):
    """Return the layers with moving statistics by path: the share of a batch that is taken over, or None."""
    return {
        path: layer.momentum
        for path, layer in layers_of(side).items()
        if isinstance(layer, _BatchNorm) and layer.track_running_stats
    }


@contextlib.contextmanager
def taking(side, path, share):
    """Let a layer take over another share of a batch's statistics, until the context ends."""
    with changed(side.model.get_submodule(path), "momentum", share):
        side.copies.clear()
        yield
    side.copies.clear()


def statistics(side, path):  # noqa: ARG001
    """Return the names of a layer's moving mean and variance."""
    return [f"{path}.{name}" for name in ("running_mean", "running_var")]


@contextlib.contextmanager
def biased(side, path):
    """Let a layer keep the variance of a batch divided by n instead of n - 1, until the context ends."""
    layer, before = side.model.get_submodule(path), {}

    def enter(own, args):
        before["variance"] = own.running_var.clone()
        before["count"] = args[0].numel() // args[0].shape[1]

    def leave(own, args, output):  # noqa: ARG001
        if own.training and before["count"] > 1:
            share = 1 / float(own.num_batches_tracked) if own.momentum is None else own.momentum
            kept = (1 - share) * before["variance"]
            own.running_var.data.copy_(kept + (own.running_var - kept) * (before["count"] - 1) / before["count"])

    handles = [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    side.copies.clear()
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        side.copies.clear()
