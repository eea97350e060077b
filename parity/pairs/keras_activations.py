"""Activations of Keras by the names that messages give them."""

import keras

A = keras.activations


def hard_sigmoid_2(x):
    """Keras 2's: 0.2 x + 0.5."""
    return keras.ops.clip(0.2 * x + 0.5, 0, 1)


def gelu(x):
    return A.gelu(x, approximate=False)


def gelu_tanh(x):
    return A.gelu(x, approximate=True)


def quick_gelu(x):
    return x * A.sigmoid(1.702 * x)


ACTIVATIONS = {
    "no activation": A.linear,
    "relu": A.relu,
    "exact gelu": gelu,
    "gelu with tanh": gelu_tanh,
    "quick gelu": quick_gelu,
    "tanh": A.tanh,
    "sigmoid": A.sigmoid,
    "hard_sigmoid of Keras 3": A.hard_sigmoid,
    "hard_sigmoid of Keras 2": hard_sigmoid_2,
    "silu": A.silu,
    "elu": A.elu,
    "selu": A.selu,
    "relu6": A.relu6,
    "mish": A.mish,
    "softplus": A.softplus,
    "softsign": A.softsign,
    "leaky_relu with 0.01": lambda x: A.leaky_relu(x, 0.01),
    "leaky_relu with 0.2": lambda x: A.leaky_relu(x, 0.2),
    "elu with 0.5": lambda x: A.elu(x, 0.5),
    "softmax": A.softmax,
    "log_softmax": A.log_softmax,
}


def name_of(function):
    """Return how a message calls an activation."""
    known = {id(own): name for name, own in ACTIVATIONS.items()}
    if id(function) in known:
        return known[id(function)]
    name = getattr(function, "__name__", type(function).__name__)
    alike = named_by_numbers(function) if name == "<lambda>" else ""
    return f"{name}, which is {alike}" if alike else name


def named_by_numbers(function):
    """Return the known activation that gives the same numbers; nothing if none does."""
    x = keras.ops.convert_to_tensor([[-8.0, -2.5, -1.0, -0.25, 0.0, 0.5, 1.5, 7.0]])
    try:
        own = keras.ops.convert_to_numpy(function(x))
    except Exception:  # it may want another shape
        return ""
    near = (name for name, one in ACTIVATIONS.items() if abs(keras.ops.convert_to_numpy(one(x)) - own).max() < 1e-6)
    return next(near, "")
