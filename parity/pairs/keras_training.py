"""Train a Keras model: its state before and after a step, its own optimiser, and its layers with moving statistics."""

import contextlib
import inspect

import keras
import numpy as np
import tensorflow as tf

from parity.errors import InputError, first_lines, message_of, shown
from parity.models.isolation import isolated
from parity.pairs.keras_half import changed, layers_of
from parity.pairs.keras_masking import called
from parity.pairs.keras_model import KerasModel
from parity.pairs.rules import BESIDE, CORRECTED, DECOUPLED, INSIDE, UNCORRECTED, Rule
from parity.tensorflow.runtime import settings

EXPECTED = "a Keras optimiser, or a function that makes one"


@contextlib.contextmanager
def in_training(side):
    """Let a model be in the mode of training until the context ends, whatever its call asks for."""
    before, side.training = side.training, True
    side.graphs.clear()
    try:
        with called(side.layer, lambda args, kwargs: (args, kwargs | {"training": True})):
            yield
    finally:
        side.training = before
        side.graphs.clear()


def arrays(side):
    """Return all float weights by name."""
    return KerasModel(side).arrays()


def load(side, values):
    """Do nothing: a run leaves a model's weights as they were."""


def run(setting, values, noise):
    """Return gradients, and the moving statistics afterwards, of a run with some weights."""
    side = setting.view.side
    model = KerasModel(side)
    side.loaded = {id(model.variables[name]): array for name, array in values.items()}
    try:
        ran = setting.view.run(setting.base, noise=noise)
        own = side.values[setting.view.dtype]
        after = {name: own[id(v)].numpy() for name, v in model.variables.items() if not v.trainable}
    finally:
        side.loaded = {}
    return ran.gradients, after


class Optimiser:
    """A user's own optimiser on variables that are copies.

    Args:
        given: an optimiser, a class, or a function without arguments or of variables.
        side: of the model.
        dtype: of the copies.
    """

    def __init__(self, given, side, dtype):
        self.dtype, self.model = dtype, KerasModel(side)
        try:
            with isolated(), settings():
                keras.config.set_floatx(dtype)
                self.variables = {
                    self.model.names[id(v)]: keras.Variable(v.numpy(), name=v.name, dtype=dtype)
                    for v in side.layer.trainable_variables
                }
                for name, variable in self.variables.items():
                    variable.constraint = self.model.variables[name].constraint
                self.own = self.made(given)
        except Exception as error:
            received = f"{shown(given)}, which raised {first_lines(message_of(error))}"
            raise InputError("optimiser", received, EXPECTED) from error
        if not isinstance(self.own, keras.optimizers.Optimizer):
            raise InputError("optimiser", shown(given), EXPECTED)

    def made(self, given):
        if not isinstance(given, keras.optimizers.Optimizer):
            takes = [] if inspect.isclass(given) else inspect.signature(given).parameters.values()
            required = any(one.default is one.empty and one.kind is not one.VAR_KEYWORD for one in takes)
            given = given(list(self.variables.values())) if required else given()
        config = given.get_config()
        if isinstance(config.get("learning_rate"), float):  # it was rounded to float32
            config["learning_rate"] = float(str(np.float32(config["learning_rate"])))
        own = type(given).from_config(config)
        excluded = getattr(given, "_exclude_from_weight_decay", set())
        own._exclude_from_weight_decay = {
            id(v) for name, v in self.variables.items() if id(self.model.variables[name]) in excluded
        }
        own._exclude_from_weight_decay_pattern = getattr(given, "_exclude_from_weight_decay_pattern", None)
        return own

    def step(self, weights, gradients):
        """Return the weights after a step."""
        chosen = {name: v for name, v in self.variables.items() if name in gradients}
        with isolated(), settings():
            keras.config.set_floatx(self.dtype)
            for name, variable in chosen.items():
                variable.assign(weights[name])
            self.own.apply([tf.constant(gradients[name], self.dtype) for name in chosen], list(chosen.values()))
        return {**weights, **{name: variable.numpy() for name, variable in chosen.items()}}

    def rule(self):
        """Return what it does to each array as a `Rule`; None if that is not known."""
        own = self.own
        read = READ.get(type(own).__name__) if type(own).__module__.startswith("keras.src.optimizers") else None
        if read is None or own.use_ema or own.gradient_accumulation_steps or own.loss_scale_factor:
            return None
        if not isinstance(own.get_config()["learning_rate"], float):
            return None
        rate = float(str(np.float32(own.get_config()["learning_rate"])))
        clip = {name: getattr(own, name) for name in ("clipnorm", "global_clipnorm", "clipvalue") if getattr(own, name)}
        each = {
            name: {"learning_rate": rate, "decay": DECOUPLED, "weight_decay": self.decay_of(v), **read(own)}
            for name, v in self.variables.items()
        }
        return Rule(each, clip)

    def decay_of(self, variable):
        return float(self.own.weight_decay) if self.own.weight_decay and self.own._use_weight_decay(variable) else 0.0


def moments(own):
    return {name: float(getattr(own, name)) for name in ("beta_1", "beta_2", "epsilon")}


def read_adam(own):
    return {"kind": "adam", **moments(own), "at": UNCORRECTED, "amsgrad": bool(own.amsgrad)}


READ = {
    "SGD": lambda o: {"kind": "sgd", "momentum": float(o.momentum), "nesterov": bool(o.nesterov), "dampening": 0.0},
    "Adam": read_adam,
    "AdamW": read_adam,
    "Nadam": lambda o: {"kind": "nadam", **moments(o), "at": CORRECTED, "momentum_decay": 1.0},
    "Adamax": lambda o: {"kind": "adamax", **moments(o), "at": BESIDE},
    "RMSprop": lambda o: {
        **{"kind": "rmsprop", "rho": float(o.rho), "epsilon": float(o.epsilon), "at": INSIDE},
        **{"momentum": float(o.momentum), "centered": bool(o.centered)},
    },
    "Adagrad": lambda o: {
        **{"kind": "adagrad", "initial_accumulator": float(o.initial_accumulator_value), "epsilon": float(o.epsilon)},
        **{"at": INSIDE, "learning_rate_decay": 0.0},
    },
    "Adadelta": lambda o: {"kind": "adadelta", "rho": float(o.rho), "epsilon": float(o.epsilon)},
}


def norms(side):
    """Return the layers with moving statistics by path: the share of a batch that is taken over."""
    norms = {path: own for path, own in layers_of(side).items() if isinstance(own, keras.layers.BatchNormalization)}
    return {path: 1 - float(layer.momentum) for path, layer in norms.items()}


@contextlib.contextmanager
def taking(side, path, share):
    """Let a layer take over another share of a batch's statistics, until the context ends."""
    side.graphs.clear()
    with changed(layers_of(side)[path], "momentum", 1 - share):
        yield
    side.graphs.clear()


def statistics(side, path):
    """Return the names of a layer's moving mean and variance."""
    layer, names = layers_of(side)[path], KerasModel(side).names
    return [names[id(layer.moving_mean)], names[id(layer.moving_variance)]]
