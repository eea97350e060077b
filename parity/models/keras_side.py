"""Run a Keras model, a layer, or a function of a user's in TensorFlow on batches, in any dtype, and observe it."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import get_keras_mask, set_keras_mask
from tensorflow.python.eager.polymorphic_function import autograph_util
from tensorflow.python.framework import random_seed

from parity.models.isolation import isolated
from parity.models.native import NativeBatch, OutputError, flatten
from parity.models.side import COMPILED, Layer, Ran
from parity.tensorflow.runtime import settings

SEED_STATE = keras.random.SeedGenerator(0).state.name
Function = type(tf.function(lambda: None))
call_graph = Function.__call__  # as it is while no model runs


class KerasSide:
    """A side in TensorFlow: a Keras model or layer, or a function of tensors.

    A model runs itself: for each run its variables get values of another dtype, and get their own back afterwards.

    Args:
        model: a Keras model or layer, or a function.
        call: takes the model and a batch.
        outputs: selects tensors from what the model returns.
        loss: takes what the model returns, and a batch; returns one number.
        training: whether layers are in the mode of training.
        graphs: whether runs are traced into a graph, which pays off when there are many.
    """

    framework, device = "tensorflow", "cpu"
    factory = None
    response = None
    narrow, leaves_out = "", False  # whatever the policy of a layer, it computes in the dtype of the run
    is_of_sequences = False

    def __init__(self, model, call, outputs=None, loss=None, training=False, graphs=True):
        self.model, self.call, self.outputs, self.loss, self.training = model, call, outputs, loss, training
        is_layer = isinstance(model, keras.layers.Layer)
        self.name = type(model).__name__ if is_layer else getattr(model, "__name__", type(model).__name__)
        if is_layer and self.name in ("Functional", "Sequential"):
            self.name = model.name
        self.layer = model if is_layer else None
        self.read, self.whole_masks = set(), False
        self.values, self.graphs = {}, {}
        # in a graph for all shapes, `TimeDistributed` computes B steps instead of T
        in_time = any(isinstance(one, keras.layers.TimeDistributed) for one in self.layers())
        self.has_graph = graphs and not in_time
        self.loaded = {}  # other values in place of those of variables, by their id
        self.autograph = None  # whether graphs need it, which takes time
        self.cotangent, self.fixed = None, False  # of the run; a graph asks for them
        self.draws = True  # whether operations may ask for the seed, as those of `tf.random` do

    @property
    def has_loss(self):
        return self.loss is not None

    @property
    def modes(self):
        return ("graph", "eager") if self.has_graph else ("eager",)

    def take_as_loss(self, output):
        """Let an output be the loss."""
        self.loss = lambda raw, _: flattened(self.outputs(raw) if self.outputs else raw)[output]
        self.graphs.clear()

    def run(self, batch, cotangent, *, dtype, noise=None, traced=False, mode="", seed=0):
        """Run the model on a batch; see `parity.models.side.Side`."""
        with isolated(), settings(), inlined(), contextlib.ExitStack() as stack:
            keras.config.set_floatx(dtype)
            keras.config.set_dtype_policy(dtype)
            arrays = {name: to_tensor(array, dtype) for name, array in batch.items()}
            if self.whole_masks:
                arrays |= {name: tf.cast(t, tf.int64) for name, t in arrays.items() if t.dtype == tf.bool}
            perturb, layers = Perturber(noise), []
            if self.layer is not None:
                self.build(arrays)
                stack.enter_context(turned(self.layer, dtype, self.values, perturb, self.loaded, seed))
                stack.enter_context(observed(perturb, layers if traced else None, self.layer))
            self.cotangent, self.fixed = cotangent, mode == COMPILED
            if self.fixed:
                return self.by_xla(arrays, perturb)
            if self.has_graph and self.read and not traced and mode != "eager":
                for autograph in (False, True) if self.autograph is None else (self.autograph,):
                    self.autograph = autograph
                    with contextlib.suppress(Exception):  # not everything that runs eagerly can be traced
                        return self.in_graph(arrays, perturb, dtype)
                self.has_graph = False
            if self.draws:  # not above, nor if nothing is random: it drops all kernels, which take longer than to run
                tf.random.set_seed(seed)
            with asked_for_seeds() as asked:
                found, connected = self.forward(arrays, perturb, layers)
            if not asked or self.draws:
                self.draws = bool(asked)
                return self.ran(found, used(layers, connected), cotangent)
        self.draws = True  # what was not random before is now: run it again with its seed
        return self.run(batch, cotangent, dtype=dtype, noise=noise, traced=traced, mode=mode, seed=seed)

    def build(self, arrays):
        """Run a model without weights once, in the dtype that it was made with, so that it has some."""
        if not all(layer.built for layer in self.layer._flatten_layers()):
            with contextlib.suppress(Exception):  # it will be raised again, when the model runs
                self.call(self.layer, NativeBatch(arrays, set()))

    def forward(self, arrays, perturb, layers=()):
        """Return outputs, gradients and loss, and the ids of those outputs of layers on which the result depends."""
        floats = {name: t for name, t in arrays.items() if t.dtype.is_floating and name != "bias"}
        variables = {v.path: v.value for v in self.layer.trainable_variables} if self.layer is not None else {}
        with tf.GradientTape() as tape:  # a persistent one makes a graph of loops ten times as slow to trace
            tape.watch(list(floats.values()))
            native = NativeBatch({name: perturb(tensor) for name, tensor in arrays.items()}, self.read)
            raw = self.call(self.model, native)
            outputs = flattened(self.outputs(raw) if self.outputs else raw)
            if not outputs:
                raise OutputError(raw)
            total = None
            if self.loss is not None:
                total = one_number(self.loss(raw, native))
            elif self.cotangent is not None:
                total = self.weighted(outputs)
        own, theirs, connected = {}, {}, None
        if self.cotangent is not None:
            inner = [tensor for *_, outputs_of, _, _ in layers for tensor in outputs_of.values()]
            own, theirs, connected = differentiated(tape, total, variables, floats, inner)
        loss = {} if self.loss is None else {"loss": total}
        return (outputs, own, theirs, loss), connected

    def in_some_graph(self, arrays, perturb, dtype):
        """Run in a graph; with autograph, which takes long, only if it does not work without."""
        while self.has_graph:
            try:
                return self.in_graph(arrays, perturb, dtype)
            except Exception:  # not everything that runs eagerly can be traced
                self.has_graph, self.autograph = not self.autograph, True
                self.graphs.clear()
        return None

    def in_graph(self, arrays, perturb, dtype):
        """Run in a graph that is traced once for all shapes."""
        arrays = {name: tensor for name, tensor in arrays.items() if name in self.read}
        key = (dtype, self.cotangent is not None, self.autograph, *arrays)
        if key not in self.graphs:
            specs = {name: tf.TensorSpec(open_shape(name, t), t.dtype) for name, t in arrays.items()}
            number = tf.TensorSpec((), tf.float64), tf.TensorSpec((), tf.int64)

            def traced(arrays, step, seed):
                perturb.graph = GraphPerturber(step, seed)
                return self.forward(arrays, perturb.graph)[0]

            self.graphs[key] = tf.function(traced, input_signature=(specs, *number), autograph=self.autograph)
        noise = perturb.noise
        step, seed = (noise.step, noise.seed) if noise else (0.0, 0)
        found = call_graph(self.graphs[key], arrays, tf.constant(step, tf.float64), tf.constant(seed, tf.int64))
        return self.ran(found, (), self.cotangent)

    def by_xla(self, arrays, perturb):
        """Run what XLA compiles for these shapes."""
        function = tf.function(lambda given: self.forward(given, perturb)[0], jit_compile=True)
        given = {name: arrays[name] for name in arrays if name in self.read}
        return self.ran(call_graph(function, given), (), self.cotangent)

    def ran(self, found, layers, cotangent):
        outputs, own, theirs, loss = map(plain, found)
        if cotangent is None:
            own, theirs = {}, {}
        return Ran(outputs, own, theirs, float(loss["loss"]) if loss else None, tuple(layers))

    def weighted(self, outputs):
        """Return the sum of all float outputs times their cotangents."""
        terms = []
        for name, output in only_floats(outputs).items():

            def cotangent(shape, name=name, kind=output.dtype.as_numpy_dtype):
                return self.cotangent(name, tuple(shape)).astype(kind)

            if self.fixed:  # XLA calls no function of Python
                weight = tf.constant(cotangent(output.shape))
            else:
                weight = tf.numpy_function(cotangent, [tf.shape(output)], output.dtype)
                weight = tf.stop_gradient(tf.reshape(weight, tf.shape(output)))
            terms.append(tf.reduce_sum(tf.where(weight != 0, output, tf.zeros_like(output)) * weight))
        return tf.add_n(terms) if terms else None

    def weights(self):
        """Return the paths and values of all weights."""
        return [] if self.layer is None else [(v.path, np.asarray(v.value)) for v in self.layer.weights]

    def load(self, weights):
        """Let the model run with other weights, in the order of `weights`; the user's own variables keep theirs."""
        self.loaded = {id(v): array for v, array in zip(self.layer.weights, weights, strict=True)}

    def dropouts(self):
        """Return the paths of layers that are random in the mode of training."""
        return [layer.path or layer.name for layer in self.layers() if is_random(layer)]

    def batch_norms(self):
        """Return the paths of layers that couple the rows of a batch in the mode of training."""
        found = (layer for layer in self.layers() if isinstance(layer, keras.layers.BatchNormalization))
        return [layer.path or layer.name for layer in found]

    def layers(self):
        return () if self.layer is None else self.layer._flatten_layers()


@contextlib.contextmanager
def asked_for_seeds():
    """Yield a list that is filled with the seeds for which operations ask TensorFlow until the context ends."""
    original, asked = random_seed.get_seed, []

    def get_seed(own):
        asked.append(own)
        return original(own)

    random_seed.get_seed = get_seed
    try:
        yield asked
    finally:
        random_seed.get_seed = original


@contextlib.contextmanager
def inlined():
    """Run the code of a model's own `tf.function` in place of its graphs, which refer to other variables."""

    def call(function, *args, **kwargs):
        code = function._python_function
        if (getattr(code, "__module__", None) or "").partition(".")[0] in ("keras", "tensorflow"):
            return call_graph(function, *args, **kwargs)  # a part of a layer, which has no variables
        if not tf.executing_eagerly() and function._autograph:
            code = autograph_util.py_func_from_autograph(code, function._experimental_autograph_options)
        return code(*args, **kwargs)

    Function.__call__ = call
    try:
        yield
    finally:
        Function.__call__ = call_graph


def is_random(layer):
    """Tell whether a layer drops some of its numbers in training."""
    rate = getattr(layer, "rate", getattr(layer, "dropout", 0))
    return isinstance(rate, float) and rate > 0


def open_shape(name, tensor):
    """Return a shape without B and T, nor what else depends on them."""
    open_axes = len(tensor.shape) if name == "block_mask" else 2
    return [None if axis < open_axes else size for axis, size in enumerate(tensor.shape)]


@contextlib.contextmanager
def turned(model, dtype, values, perturb, loaded, seed=0):
    """Give a model's variables values of a dtype, and all of its layers that dtype; give their own back afterwards.

    Keras has no copy of a subclassed model, and one made from a configuration may stay in float32. So the model itself
    is turned: its `tf.Variable` objects are exchanged. The user's own are never written to.

    Args:
        values: dtype -> the variables of that dtype, which graphs refer to.
        loaded: values in place of the model's own, by the id of a variable.
        seed: what is added to the states of seed generators.
    """
    layers = list(model._flatten_layers())
    variables = list({id(v): v for v in model.variables}.values())
    own = [(v, v._value, v._dtype) for v in variables]
    if dtype not in values:
        values[dtype] = {
            id(v): tf.Variable(tf.cast(v._value, dtype) if is_float(v) else v._value, trainable=v.trainable)
            for v in variables
        }
    policies = [(layer, layer._dtype_policy) for layer in layers]
    symbols = [tensor for layer in layers for tensor in symbolic(layer)]
    dtypes = [(tensor, attribute, getattr(tensor, attribute)) for tensor, attribute in symbols]
    stateful = [layer for layer in layers if getattr(layer, "stateful", False)]
    try:
        for layer in layers:
            if keras.backend.is_float_dtype(layer.compute_dtype):
                layer._dtype_policy = keras.DTypePolicy(dtype)
        for variable, value, _ in own:
            other = values[dtype][id(variable)]
            given = tf.cast(loaded.get(id(variable), value), other.dtype)
            if seed and variable.name == SEED_STATE:
                given = given + tf.cast(seed, given.dtype)
            other.assign(perturb(given) if variable.trainable else given)
            variable._value, variable._dtype = other, other.dtype.name
        for tensor, attribute, kind in dtypes:
            if keras.backend.is_float_dtype(kind):
                setattr(tensor, attribute, dtype)
        for layer in stateful:  # it begins from zero states, whatever B is
            layer.stateful = False
        yield
    finally:
        for variable, value, kind in own:
            variable._value, variable._dtype = value, kind
        for layer, policy in policies:
            layer._dtype_policy = policy
        for tensor, attribute, kind in dtypes:
            setattr(tensor, attribute, kind)
        for layer in stateful:
            layer.stateful = True


def is_float(variable):
    return keras.backend.is_float_dtype(variable._dtype)


def symbolic(layer):
    """Return the symbolic inputs of a functional model, and the attribute with their dtype."""
    inside = getattr(layer, "_functional", None)  # of a sequential model
    inputs = [*(getattr(layer, "_inputs", None) or []), *(getattr(inside, "_inputs", None) or [])]
    found = [(tensor, "_dtype" if hasattr(tensor, "_dtype") else "dtype") for tensor in inputs]
    return [*found, (layer, "_dtype")] if isinstance(layer, keras.layers.InputLayer) else found


@contextlib.contextmanager
def observed(perturb, layers, model):
    """Perturb the outputs of leaf layers, and keep what layers do and their masks, until the context ends."""
    original, depth = keras.layers.Layer.__call__, []

    def call(layer, *args, **kwargs):
        depth.append(layer)
        try:
            output = original(layer, *args, **kwargs)
        finally:
            depth.pop()
        if len(depth) == 0 or layer is model or isinstance(layer, keras.layers.InputLayer):
            return output
        if not layer._layers:
            output = mapped(output, perturb)
        # a cell is called for each step; what reads backwards returns its steps in that order
        in_order = not any(isinstance(one, keras.layers.RNN) for one in depth) and not getattr(
            layer, "go_backwards", False
        )
        if layers is not None and in_order:
            received = {**dict(enumerate(args)), **kwargs}
            given = only_floats(flattened(list(received.values()), "input"))
            path = (layer.path or "").partition("/")[2] or layer.name
            given_one = any(mask is not None for mask in tf.nest.flatten(kwargs.get("mask")))
            masks = given_one or has_mask([*args, *kwargs.values()]), has_mask([output])
            layers.append((path, type(layer).__name__, given, only_floats(flattened(output)), *masks))
        return output

    keras.layers.Layer.__call__ = call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = original


def has_mask(values):
    """Tell whether a mask belongs to one of the tensors."""
    return any(tf.is_tensor(one) and get_keras_mask(one) is not None for one in tf.nest.flatten(values))


def used(layers, connected):
    """Return traced layers with those outputs on which the result depends."""
    found = []
    for path, kind, inputs, outputs, mask_in, mask_out in layers:
        kept = {name: t for name, t in outputs.items() if connected is None or id(t) in connected}
        found.append(Layer(path, kind, plain(inputs), plain(kept), mask_in, mask_out))
    return found


def to_tensor(array, dtype):
    return tf.constant(array, dtype=dtype if array.dtype.kind == "f" else None)


class Perturber:
    """Multiplies each number of a tensor by ``1 ± step``; nothing changes without noise."""

    def __init__(self, noise):
        self.noise = noise
        self.rng = np.random.default_rng(noise.seed) if noise else None
        self.graph = None

    def __call__(self, tensor):
        if not tensor.dtype.is_floating:
            return tensor
        if self.graph is not None and not tf.executing_eagerly():
            return self.graph(tensor)
        if self.noise is None:
            return tensor
        signs = self.rng.integers(0, 2, tensor.shape) * 2 - 1
        return tensor * tf.constant(1 + self.noise.step * signs, tensor.dtype)


class GraphPerturber:
    """Does that in a graph, where the step and the seed are tensors; with step 0 every bit stays."""

    def __init__(self, step, seed):
        self.step, self.seed, self.count = step, seed, 0

    def __call__(self, tensor):
        if not tensor.dtype.is_floating:
            return tensor
        self.count += 1
        bits = tf.random.stateless_uniform(tf.shape(tensor), tf.stack([self.seed, self.count]), 0, 2, tf.int32)
        return tensor * tf.cast(1 + self.step * tf.cast(2 * bits - 1, tf.float64), tensor.dtype)


def mapped(output, change):
    """Change every float tensor of an output, and keep its mask."""
    news = {}  # a recurrent cell returns one tensor twice

    def changed(tensor):
        if id(tensor) not in news:
            news[id(tensor)] = once(tensor)
        return news[id(tensor)]

    def once(tensor):
        if not tf.is_tensor(tensor) or not tensor.dtype.is_floating:
            return tensor
        new = change(tensor)
        mask = get_keras_mask(tensor)
        if mask is not None and new is not tensor:
            set_keras_mask(new, mask)
        return new

    return tf.nest.map_structure(changed, output)


def flattened(output, name=""):
    return flatten(output, as_tensor, name)


def as_tensor(value):
    """Return a tensor, padded if it is ragged, of two floats for a complex number; None for anything else."""
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor()
    if not tf.is_tensor(value) and not isinstance(value, keras.Variable):
        return None
    tensor = tf.convert_to_tensor(value)
    return tf.stack([tf.math.real(tensor), tf.math.imag(tensor)], -1) if tensor.dtype.is_complex else tensor


def only_floats(tensors):
    return {name: tensor for name, tensor in tensors.items() if tensor.dtype.is_floating}


def one_number(loss):
    if not tf.is_tensor(loss) or loss.shape.num_elements() != 1 or not loss.dtype.is_floating:
        raise OutputError(loss, "loss", "one number, a float tensor")
    return tf.reshape(loss, ())


def differentiated(tape, total, variables, floats, inner):
    """Return the gradients of a number, 0 where there are none, and the ids of inner tensors that it depends on."""
    every = [*variables.values(), *floats.values(), *inner]
    found = [None] * len(every) if total is None else tape.gradient(total, every)
    dense = [tf.zeros_like(t) if g is None else tf.convert_to_tensor(g) for t, g in zip(every, found, strict=True)]
    own = dict(zip(variables, dense, strict=False))
    theirs = dict(zip(floats, dense[len(own) :], strict=False))
    after = found[len(own) + len(theirs) :]
    connected = {id(tensor) for tensor, gradient in zip(inner, after, strict=True) if gradient is not None}
    return own, theirs, None if total is None else connected


def plain(tensors):
    return {name: tf.convert_to_tensor(tensor).numpy() for name, tensor in tensors.items()}
