"""Read and write the weights of a PyTorch module, and observe the order in which its layers are called."""

import numpy as np
import torch
from torch.nn.utils import parametrize

from parity.models.pytorch_copying import copied
from parity.models.pytorch_side import flattened, only_floats, plain, state
from parity.pairs import pytorch_layers
from parity.pairs.maps import Numbering
from parity.pairs.observed import Observed, random_cotangent
from parity.pairs.pytorch_computed import (
    direction_of,
    is_trained,
    own_names,
    own_tensor,
    parameters_of,
    refresh,
    set_weight,
    weight_of,
)


class PyTorchModel:
    """The weights and layers of a module: its parameters, and the moving statistics of its layers.

    A parametrised weight, as of ``weight_norm``, is what it amounts to.

    Args:
        side: runs the module.
    """

    framework, separator = "pytorch", "."

    def __init__(self, side):
        self.side, self.module = side, side.model
        self.places, self.aliases, owners = {}, {}, {}
        for path, module in self.modules():
            for local in own_names(module):
                name = f"{path}.{local}" if path else local
                tensor = own_tensor(module, local)
                key = id(tensor) if tensor is not None else (id(module), local)
                self.aliases[name] = owners.setdefault(key, name)
                self.places.setdefault(self.aliases[name], (module, local))
        self.numbering = Numbering({name: tuple(self.value(name).shape) for name in self.places})

    def modules(self):
        """Return modules by path, without those of parametrisations."""
        inside = set()
        for path, module in self.module.named_modules():
            if isinstance(module, parametrize.ParametrizationList):
                inside |= set(map(id, module.modules()))
            if id(module) not in inside:
                yield path, module

    def value(self, name):
        module, local = self.places[name]
        return weight_of(module, local)

    def arrays(self):
        """Return all arrays by name."""
        with torch.no_grad():
            found = plain({name: self.value(name) for name in self.places})
        return {name: np.array(array) for name, array in found.items()}

    def directions(self):
        """Return all arrays by name, with the direction of each that ``weight_norm`` computes in place of it."""
        with torch.no_grad():
            found = plain({name: direction_of(*place) for name, place in self.places.items()})
        return {name: np.array(array) for name, array in found.items()}

    def assign(self, arrays, directions=None):
        """Write arrays by name, with their directions if these are known."""
        with torch.no_grad():
            for name, array in arrays.items():
                set_weight(*self.places[name], array, (directions or {}).get(name))
        self.side.renew()

    def keep(self):
        """Return a function that gives the module the parameters and buffers back that it has now."""
        before = {name: tensor.detach().clone() for name, tensor in state(self.module).items()}

        def restore():
            with torch.no_grad():
                for name, tensor in state(self.module).items():
                    tensor.copy_(before[name])
                for module, local in self.places.values():
                    refresh(module, local)
            self.side.renew()

        return restore

    def derived(self):
        """Return the names of weights that are computed from several parameters."""
        return set(self.components())

    def components(self):
        """Return the names of the parameters that each of these is computed from."""
        return {
            name: [name.removesuffix(local) + own for own, _ in parameters_of(module, local)]
            for name, (module, local) in self.places.items()
            if own_tensor(module, local) is None
        }

    def trainable(self):
        """Return the names of arrays with gradients; a computed one if all that it is computed from has them."""
        derived = self.derived()
        found = {name for name in self.places if name not in derived and self.value(name).requires_grad}
        return found | {name for name in derived if is_trained(*self.places[name])}

    def pulled_back(self, gradients):
        """Replace the gradient of a derived weight by those of the parameters that it is computed from."""
        found = dict(gradients)
        for name in self.derived() & set(gradients):
            module, local = self.places[name]
            double = copied(module).double()
            prefix = name.removesuffix(local)
            own = parameters_of(double, local)
            with torch.enable_grad():
                weight = weight_of(double, local)
            given = torch.as_tensor(found.pop(name)).reshape(weight.shape)
            for (local_name, _), gradient in zip(
                own, torch.autograd.grad(weight, [p for _, p in own], given), strict=True
            ):
                found[prefix + local_name] = gradient.numpy()
        return found

    def buffers(self):
        """Return the names of float buffers that are no weights."""
        found = (name for name, b in self.module.named_buffers() if b.is_floating_point())
        return [name for name in found if name not in self.aliases]

    def units(self):
        """Return all layers with weights, in the order in which they are registered."""
        units, covered = [], set()
        for path, module in self.modules():
            if id(module) in covered:
                continue

            def ids(local, path=path):
                name = f"{path}.{local}" if path else local
                return self.numbering.ids(self.aliases[name]) if name in self.aliases else None

            found, is_whole = pytorch_layers.describe(module, path, ids)
            units += found
            if is_whole:
                covered |= set(map(id, module.modules()))
        return units

    def parts_of(self, path):
        """Return the names of a layer's own arrays."""
        return [own for name, own in self.aliases.items() if name.startswith(f"{path}." if path else "")]

    def observe(self, batch, dtype, changed=None):
        """Run on a batch; ``changed`` is a layer whose outputs are changed on the way."""
        found, model = Observed(), self.side.copied(dtype)
        handles = []

        def enter(path, module, args, kwargs):  # noqa: ARG001
            arrays = plain(only_floats(flattened([*args, *kwargs.values()], "input")))
            found.enter(path, [np.array(array) for array in arrays.values()])

        for path, module in model.named_modules():
            hook = lambda module, args, kwargs, path=path: enter(path, module, args, kwargs)  # noqa: E731
            handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            if path == changed:
                handles.append(module.register_forward_hook(lambda *called: moved(called[-1])))
        try:
            ran = self.side.run(batch, random_cotangent, dtype=dtype)
        finally:
            for handle in handles:
                handle.remove()
        found.outputs, found.names = list(ran.outputs.values()), list(ran.outputs)
        gradients = {name: array for name, array in ran.gradients.items() if np.any(array)}
        found.used = {self.aliases.get(name, name) for name in gradients}
        return found

    def dependents(self, batch, dtype, paths):
        """Return the layers that receive something else when one of these returns something else."""
        before = self.observe(batch, dtype)
        after = {path: self.observe(batch, dtype, path) for path in paths}
        return {path: {name for name in before.order if before.differs(own, name)} for path, own in after.items()}


def moved(output):
    """Change all floats of an output."""
    if isinstance(output, torch.nn.utils.rnn.PackedSequence):
        return output._replace(data=moved(output.data))
    if isinstance(output, torch.Tensor):
        return output * 1.5 + 0.25 if output.is_floating_point() else output
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*map(moved, output))
    if isinstance(output, tuple | list):
        return type(output)(map(moved, output))
    if isinstance(output, dict):
        changed = {key: moved(value) for key, value in output.items()}
        return changed if type(output) is dict else type(output)(**changed)
    return output
