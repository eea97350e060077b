"""Read and write the weights of a Keras model, and observe the order in which its layers are called."""

import keras
import numpy as np
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

    def directions(self):
        """Return all arrays by name: none is computed."""
        return self.arrays()

    def assign(self, arrays, directions=None):  # noqa: ARG002
        """Write arrays by name."""
        for name, array in arrays.items():
            self.variables[name].assign(array)

    def keep(self):
        """Return a function that gives the model the weights back that it has now."""
        before = self.arrays()
        return lambda: self.assign(before)

    def derived(self):
        """Return no names: every weight is a variable."""
        return set()

    def components(self):
        """Return no names: none is computed."""
        return {}

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

    def observe(self, batch, dtype, change=None):
        """Run on a batch; ``change`` replaces the output of a layer, given its path."""
        found, original = Observed(), keras.layers.Layer.__call__

        def call(layer, *args, **kwargs):
            path = self.paths.get(id(layer))
            if path is not None:
                given = only_floats(flattened([*args, *kwargs.values()], "input")).values()
                eager = all(hasattr(tensor, "numpy") and tf.executing_eagerly() for tensor in given)
                found.enter(path, [tensor.numpy() for tensor in given] if eager else None)
            output = original(layer, *args, **kwargs)
            return output if change is None or not path else change(path, output)

        keras.layers.Layer.__call__ = call
        try:
            ran = self.side.run(batch, random_cotangent, dtype=dtype, mode="eager")
        finally:
            keras.layers.Layer.__call__ = original
        found.outputs, found.names = list(ran.outputs.values()), list(ran.outputs)
        found.used = {name for name, array in ran.gradients.items() if array.any()}
        return found

    def dependents(self, batch, dtype, paths):
        """Return the layers that receive something else when one of these returns something else.

        The batch is repeated in one run for many layers: each is changed in rows of its own.
        """
        found = {}
        for begin in range(0, len(paths), COPIES):
            some = paths[begin : begin + COPIES]
            try:
                found |= self.dependents_at_once(batch, dtype, some)
            except Exception:  # not every model takes a batch of another size
                found |= {path: self.dependents_of(batch, dtype, path) for path in some}
        return found

    def dependents_at_once(self, batch, dtype, paths):
        copies = Copies(batch, paths)
        ran = self.observe(copies.batch, dtype, copies.change)
        found = {path: copies.differing(ran, number + 1) for number, path in enumerate(paths)}
        return found | {path: self.dependents_of(batch, dtype, path) for path in copies.whole}

    def dependents_of(self, batch, dtype, path):
        before = self.observe(batch, dtype)
        after = self.observe(batch, dtype, lambda own, output: mapped(output, moved) if own == path else output)
        return {name for name in before.order if before.differs(after, name)}


COPIES = 24  # of a batch in one run
SAME = {4: 1e-4, 8: 1e-9}  # bytes of a number -> how far equal rows in other places of a batch are apart


class Copies:
    """A batch that is repeated: once as it is, and once for each layer, whose output is changed there.

    Attributes:
        whole: layers whose outputs do not have rows first.
    """

    def __init__(self, batch, paths):
        self.paths, self.count, self.whole = list(paths), len(paths) + 1, set()
        first = batch["mask"] if "mask" in batch else next(a for a in batch.values() if a.ndim)
        self.rows = len(first)
        repeated = {name: a for name, a in batch.items() if a.ndim and len(a) == self.rows}
        self.batch = {**batch, **{name: np.concatenate([a] * self.count) for name, a in repeated.items()}}

    def change(self, path, output):
        """Change the rows of a layer's own copy."""
        if path not in self.paths:
            return output
        own = np.arange(self.count * self.rows) // self.rows == self.paths.index(path) + 1

        def changed(tensor):
            if tensor.shape[0] != own.size:
                self.whole.add(path)
                return tensor
            shape = (-1, *[1] * (len(tensor.shape) - 1))
            return tf.where(tf.reshape(own, shape), moved(tensor), tensor)

        return mapped(output, changed)

    def differing(self, ran, number):
        """Return the layers that received something else in one of the copies."""
        return {path for path, arrays in ran.inputs.items() if any(self.differs(a, number) for a in arrays or ())}

    def differs(self, array, number):
        if not array.ndim or len(array) != self.count * self.rows:
            return False
        first, own = array[: self.rows], array[number * self.rows : (number + 1) * self.rows]
        most = SAME.get(array.dtype.itemsize, 1e-2) * np.max(np.abs(first), initial=0)
        return not np.all((np.abs(first - own) <= most) | (first == own) | (np.isnan(first) & np.isnan(own)))


def moved(tensor):
    return tensor * 1.5 + 0.25


def unique(name, names):
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}#{number}"
    return found
