"""Read and write the weights of a Keras model, and observe the order in which its layers are called."""

import keras
import tensorflow as tf

from parity.models.keras_side import flattened, mapped, only_floats
from parity.pairs import keras_layers
from parity.pairs.maps import Numbering
from parity.pairs.observed import Observed, random_cotangent
from parity.pairs.units import Unit


class KerasModel:
    """The weights and layers of a Keras model; it is built.

    Args:
        side: runs the model.
    """

    framework, separator = "tensorflow", "/"

    def __init__(self, side):
        self.side, self.layer = side, side.layer
        self.variables, self.names = {}, {}
        for variable in self.layer.weights:
            if keras.backend.is_float_dtype(variable.dtype) and id(variable) not in self.names:
                name = unique(variable.path, self.variables)
                self.variables[name], self.names[id(variable)] = variable, name
        self.numbering = Numbering({name: tuple(v.shape) for name, v in self.variables.items()})
        self.paths = {}
        for layer in self.layer._flatten_layers():
            self.paths[id(layer)] = unique(self.path_of(layer), self.paths.values())

    def path_of(self, layer):
        path = layer.path or layer.name
        if layer is self.layer:
            return ""
        return path.removeprefix(f"{self.layer.path or self.layer.name}/")

    def arrays(self):
        """Return all arrays by name."""
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def assign(self, arrays):
        """Write arrays by name."""
        for name, array in arrays.items():
            self.variables[name].assign(array)

    def derived(self):
        """Return no names: every weight is a variable."""
        return set()

    def trainable(self):
        """Return the names of arrays with gradients."""
        return {self.names[id(v)] for v in self.layer.trainable_variables if id(v) in self.names}

    def pulled_back(self, gradients):
        """Return gradients as they are."""
        return dict(gradients)

    def buffers(self):
        """Return no names: all float variables are weights."""
        return []

    def units(self):
        """Return all layers with weights, in the order in which they are registered."""
        units, covered = [], set()
        for layer in self.layer._flatten_layers():
            if id(layer) in covered:
                continue
            found, is_whole = keras_layers.describe(layer, self.paths[id(layer)], self.ids)
            units += [self.named(unit) for unit in found]
            if is_whole:
                covered |= {id(inside) for inside in layer._flatten_layers()}
        return units

    def ids(self, variable):
        """Return the numbers of a variable's elements; None for None."""
        return None if variable is None else self.numbering.ids(self.names[id(variable)])

    def named(self, unit):
        """Let a unit take values by name."""
        if unit.alone is None:
            return unit
        alone = unit.alone
        by_name = lambda values, given: alone({id(self.variables[n]): a for n, a in values.items()}, given)  # noqa: E731
        return Unit(**(vars(unit) | {"alone": by_name}))

    def observe(self, batch, dtype, changed=None):
        """Run on a batch; ``changed`` is a layer whose outputs are changed on the way."""
        found, original = Observed(), keras.layers.Layer.__call__

        def call(layer, *args, **kwargs):
            path = self.paths.get(id(layer))
            if path is not None:
                given = only_floats(flattened([*args, *kwargs.values()], "input")).values()
                eager = all(hasattr(tensor, "numpy") and tf.executing_eagerly() for tensor in given)
                found.enter(path, [tensor.numpy() for tensor in given] if eager else None)
            output = original(layer, *args, **kwargs)
            return mapped(output, lambda tensor: tensor * 1.5 + 0.25) if path == changed and path else output

        keras.layers.Layer.__call__ = call
        try:
            ran = self.side.run(batch, random_cotangent, dtype=dtype, mode="eager")
        finally:
            keras.layers.Layer.__call__ = original
        found.outputs = list(ran.outputs.values())
        found.used = {name for name, array in ran.gradients.items() if array.any()}
        return found


def unique(name, names):
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}#{number}"
    return found
