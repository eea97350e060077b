"""Weights that a module computes in each run, as by ``weight_norm``, ``spectral_norm``, pruning, parametrisations."""

import numpy as np
import torch
from torch.nn.utils import parametrize

from parity.errors import InputError

BUFFERS = ("running_mean", "running_var")  # those that count as weights


def own_names(module):
    """Return the local names of a module's own arrays, parametrised ones as what they amount to."""
    names = [name for name, p in module._parameters.items() if p is not None]
    if parametrize.is_parametrized(module):
        names += list(module.parametrizations)
    old = [name.removesuffix("_g") for name in names if name.endswith("_g") and name.removesuffix("_g") + "_v" in names]
    names = [name for name in names if name.removesuffix("_g").removesuffix("_v") not in old] + old  # weight_norm
    names = [name.removesuffix("_orig") if older_hook(module, name.removesuffix("_orig")) else name for name in names]
    return names + [name for name in BUFFERS if module._buffers.get(name) is not None]


def own_tensor(module, local):
    """Return a parameter or a buffer; None for a weight that is computed."""
    found = module._parameters.get(local)
    return found if found is not None else module._buffers.get(local)


def computed_names(module):
    """Return the local names of the weights that a module computes."""
    return [name for name in own_names(module) if own_tensor(module, name) is None]


def weight_of(module, local):
    """Return a weight; one that a hook keeps until the next run is computed anew."""
    if own_tensor(module, local) is not None or parametrize.is_parametrized(module, local):
        return getattr(module, local)
    hook = older_hook(module, local)
    if hasattr(hook, "apply_mask"):  # of pruning
        return hook.apply_mask(module)
    if hasattr(hook, "n_power_iterations"):
        return hook.compute_weight(module, do_power_iteration=False)
    return hook.compute_weight(module)


def older_hook(module, local):
    """Return the hook that computes a weight before each run; None if there is none."""
    hooks = module._forward_pre_hooks.values()
    return next((one for one in hooks if local in (vars_of(one, "name"), vars_of(one, "_tensor_name"))), None)


def vars_of(hook, name):
    return getattr(hook, "__dict__", {}).get(name)


def parameters_of(module, local):
    """Return the parameters that a weight is computed from, by their local names."""
    if parametrize.is_parametrized(module, local):
        own = module.parametrizations[local].named_parameters(recurse=False)
        return [(f"parametrizations.{local}.{name}", p) for name, p in own]
    own = (f"{local}_{end}" for end in ("g", "v", "orig"))
    return [(name, module._parameters[name]) for name in own if name in module._parameters]


def is_trained(module, local):
    """Tell whether every parameter that a weight is computed from has a gradient."""
    return all(p.requires_grad for _, p in parameters_of(module, local))


def length_and_direction(module, local):
    """Return both parameters of ``weight_norm``, and its axis; None for a weight that is computed otherwise."""
    own = [p for _, p in parameters_of(module, local)]
    if not parametrize.is_parametrized(module, local):
        return (*own, older_hook(module, local).dim) if len(own) == 2 else None
    kinds = [type(one).__name__ for one in module.parametrizations[local]]
    return (*own, module.parametrizations[local][0].dim) if kinds == ["_WeightNorm"] else None


def direction_of(module, local):
    """Return the direction of a weight, which a length of ``weight_norm`` scales, or the weight itself."""
    found = length_and_direction(module, local) if own_tensor(module, local) is None else None
    return weight_of(module, local) if found is None else found[1]


def set_weight(module, local, array, direction=None):
    """Write a weight; one of ``weight_norm`` has the direction that is given, if that is one of its."""
    tensor = own_tensor(module, local)
    given = torch.as_tensor(np.array(array))
    if tensor is not None:
        tensor.data.copy_(given)
        return
    found = length_and_direction(module, local)
    if found is None and parametrize.is_parametrized(module, local):
        setattr(module, local, given.to(getattr(module, local)))
    elif found is None:
        parameters_of(module, local)[0][1].copy_(given)
    else:
        set_length(found, given, direction)
    refresh(module, local)
    check_taken(module, local, given)


def check_taken(module, local, given):
    """Check that a module computes the weight that was written.

    Raises:
        InputError: it computes another one, as ``spectral_norm`` does, which divides it.
    """
    computed = weight_of(module, local).detach()
    if not torch.allclose(computed, given.to(computed), rtol=1e-4, atol=1e-5 * float(given.abs().max())):
        who = type(older_hook(module, local) or module.parametrizations[local][-1]).__name__.lstrip("_")
        received = f"weights for a {type(module).__name__} whose {local!r} is computed by {who}, which gives others"
        raise InputError("transfer", received, "a target without it, or the other direction")


def set_length(found, given, direction):
    """Write the length and the direction of a weight."""
    length, own, axis = found
    towards = given if direction is None else torch.as_tensor(np.array(direction))
    scale = scaled(given, towards, axis)
    if scale is None:
        scale = torch.norm_except_dim(given, 2, axis)
        towards = torch.where(scale > 0, given, 1.0)  # any direction has the length 0
    own.copy_(towards)
    length.copy_(scale)


def refresh(module, local):
    """Compute a weight anew that a module keeps until its next run."""
    if own_tensor(module, local) is None and not parametrize.is_parametrized(module, local):
        setattr(module, local, weight_of(module, local))


def scaled(weight, towards, axis):
    """Return the lengths that give a weight from directions; None if it has others."""
    norm = torch.norm_except_dim(towards, 2, axis)
    if not bool((norm > 0).all()):
        return None
    axes = [one for one in range(weight.ndim) if one != axis % weight.ndim] if axis is not None and axis != -1 else None
    product = weight * towards
    length = (product.sum() if axes is None else product.sum(axes, keepdim=True)).reshape(norm.shape) / norm
    near = torch.allclose(length * towards / norm, weight, rtol=1e-5, atol=1e-6 * float(weight.abs().max()))
    return length if near else None


def computed(model, stack):
    """Keep the weights that a module computes in a run, by name, until a stack is closed.

    One of which a parameter is frozen has no gradient of its own.
    """
    found = {}
    for path, module in model.named_modules():
        for local in computed_names(module):
            if is_trained(module, local):
                own = found.setdefault(f"{path}.{local}".lstrip("."), [])
                stack.callback(kept(module, local, own).remove)
    return found


def kept(module, local, own):
    """Append the weight that a module computes to a list, whenever it does; return the handle of the hook."""

    def keep(tensor):
        if tensor.requires_grad and not any(tensor is one for one in own):
            own.append(tensor)

    if parametrize.is_parametrized(module, local):
        hook = lambda _, inputs, output: keep(output)  # noqa: ARG005, E731
        return module.parametrizations[local].register_forward_hook(hook)
    return module.register_forward_pre_hook(lambda own_module, inputs: keep(getattr(own_module, local)))  # noqa: ARG005


def made_plain(module):
    """Replace the weights that a module computes by parameters, and return it."""
    if parametrize.is_parametrized(module):  # remove_parametrizations would change the class, which copies share
        values = {name: getattr(module, name) for name in module.parametrizations}
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
        for name, value in values.items():
            module.register_parameter(name, torch.nn.Parameter(value.detach().clone()))
    for name in computed_names(module):
        weight = weight_of(module, name).detach().clone()
        own = older_hook(module, name)
        for key in [key for key, hook in module._forward_pre_hooks.items() if hook is own]:
            del module._forward_pre_hooks[key]
        for parameter, _ in parameters_of(module, name):
            del module._parameters[parameter]
        vars(module).pop(name, None)
        module.register_parameter(name, torch.nn.Parameter(weight))
    return module
