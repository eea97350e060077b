"""Train a model in TensorFlow with Keras' optimisers, corrected to match the papers.

Keras 3 differs from the papers, and from PyTorch, in four ways that are corrected here:

- `keras.optimizers.Adam` adds epsilon to the root of v before v is corrected for its bias. In the first steps epsilon
  therefore weighs up to 32 times as much.
- It computes ``1 - beta_2 ** step`` in the dtype of the weights. In float32, 0.999 is 0.99900001, and each of the first
  steps is too short by 7e-6 or more, a hundred roundoffs.
- It squares the rows of a sparse gradient one by one. If a word occurs twice in a batch, v receives the sum of two
  squares, not the square of the sum. So the gradient of an embedding is made dense first.
- ``weight_decay`` shrinks whole variables (https://keras.io/api/optimizers/adamw/): the pad row of an embedding too,
  though its gradient is zero. A pad row that starts at zero stays zero; any other must be restored.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def sgd(parameters, pad_rows, *, learning_rate, momentum=0.0):
    """Build `keras.optimizers.SGD`, whose velocity includes the learning rate; a constant rate gives equal steps.

    Args:
        parameters: by name.
        pad_rows: the padding row of each embedding table, by name.
    """
    return keras.optimizers.SGD(learning_rate, momentum=momentum)


def adam(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon):
    """Build `keras.optimizers.Adam`, corrected to match the paper."""
    return Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def adamw(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    """Build `keras.optimizers.AdamW`, corrected; a constraint restores the pad row after each step."""
    for name, row in pad_rows.items():
        parameters[name].constraint = KeepRow(row, parameters[name][row])
    return AdamW(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=weight_decay)


OPTIMISERS = {"sgd": sgd, "adam": adam, "adamw": adamw}


class AsInThePaper:
    """Keras' step of Adam, with arguments that make it Algorithm 1 of arXiv:1412.6980."""

    def update_step(self, gradient, variable, learning_rate):
        correction_1, correction_2 = self.bias_corrections("float64")
        rounded_1, rounded_2 = (tf.cast(c, "float64") for c in self.bias_corrections(variable.dtype))
        lengthened = tf.sqrt(correction_2 / rounded_2) * rounded_1 / correction_1
        given, self.epsilon = self.epsilon, tf.cast(self.epsilon * tf.sqrt(correction_2), variable.dtype)
        super().update_step(gradient, variable, learning_rate * tf.cast(lengthened, variable.dtype))
        self.epsilon = given

    def bias_corrections(self, dtype):
        step = tf.cast(self.iterations + 1, dtype)
        return [1 - tf.constant(beta, dtype) ** step for beta in (self.beta_1, self.beta_2)]


class Adam(AsInThePaper, keras.optimizers.Adam):
    pass


class AdamW(AsInThePaper, keras.optimizers.AdamW):
    pass


class KeepRow(keras.constraints.Constraint):
    """A constraint that keeps one row unchanged."""

    def __init__(self, row, values):
        self.row, self.values = row, values

    def __call__(self, table):
        return tf.tensor_scatter_nd_update(table, [[self.row]], [self.values])


class Trainer:
    """A model in training.

    Args:
        call: function from inputs and weights by name to outputs by name, including ``loss``.
        weights: initial arrays by name.
        build: function from parameters by name to an optimiser.
        axes: axes of inputs and outputs by name, so that one graph serves all batches.
        clip_norm: what the norm of all gradients together is clipped to; None does not clip.
    """

    def __init__(self, call, weights, build, axes, clip_norm=None):
        self.call, self.axes, self.clip_norm = call, axes, clip_norm
        self.parameters = {name: keras.Variable(array, dtype=array.dtype.name) for name, array in weights.items()}
        self.optimiser = build(self.parameters)

    def step(self, batch):
        """Train on one batch and return its loss before the update."""
        dtype = next(iter(self.parameters.values())).dtype
        outputs, gradients = self.run(batch, {"loss": tf.ones((), dtype)})
        dense = [tf.convert_to_tensor(gradients[name]) for name in self.parameters]
        if self.clip_norm is not None:
            dense, _ = tf.clip_by_global_norm(dense, self.clip_norm)
        self.optimiser.apply(dense, list(self.parameters.values()))
        return outputs["loss"].numpy()

    def predict(self, batch):
        """Return the outputs as arrays."""
        return runtime.plain(self.run(batch, {}))

    def run(self, batch, cotangents):
        arrays = {**runtime.constants(batch), **{name: tf.convert_to_tensor(p) for name, p in self.parameters.items()}}
        return runtime.stepper(self.call, arrays, cotangents, "graph", self.axes)(arrays, cotangents)

    def weights(self):
        """Return the weights as arrays."""
        return runtime.plain(self.parameters)
