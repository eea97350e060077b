"""Run an ONNX model by ONNX Runtime on batches: forward only, in the dtypes with which it was exported."""

from pathlib import Path

import numpy as np
import onnxruntime

from parity.errors import InputError, first_lines, message_of, shown
from parity.models.binding import bind_names
from parity.models.isolation import isolated
from parity.models.native import NativeBatch, NotCompiled, OutputError, flatten
from parity.models.side import COMPILED, Ran

VERSION = onnxruntime.__version__
TYPES = {
    "float": np.float32,
    "double": np.float64,
    "bool": np.bool_,
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": np.float16,
}
OPEN = "open axes for rows and steps (dynamic_shapes= or dynamic_axes= of the exporter)"


class OnnxSide:
    """A side in ONNX.

    Args:
        model: the name of a file, or its bytes.
        argument: for which it was given.
        names: those of the inputs of a batch, with which its own are matched.
        call: takes the model, a function of arrays by name, and a batch; in place of matching.
        outputs: selects from its outputs by name.
    """

    framework, device, factory, modes = "onnx", "cpu", None, ("eager",)
    has_loss, whole_masks, training = False, False, False
    narrow, leaves_out, is_of_sequences = "", False, False
    response = None  # that of another side to noise

    def __init__(self, model, argument, names, call=None, outputs=None):
        self.name = Path(model).name if isinstance(model, str) else "an ONNX model"
        self.session = opened(model, argument)
        self.inputs = {one.name: one for one in self.session.get_inputs()}
        self.kinds = {name: TYPES[one.type[7:-1]] for name, one in self.inputs.items() if one.type[7:-1] in TYPES}
        self.call, self.outputs, self.guessed = call, outputs, ""
        self.read, self.only = set(), None
        if call is None:
            self.bind(argument, names)

    def bind(self, argument, names):
        """Match its inputs by their names.

        Raises:
            InputError: an input that nothing is known for, or one with a fixed number of rows or steps.
        """
        binding = bind_names(self.inputs, names)
        for name, one in self.inputs.items():
            if any(isinstance(size, int) for size in one.shape[: 2 if len(one.shape) > 1 else 1]):
                shape = ", ".join(str(size) for size in one.shape)
                raise InputError(argument, f"an ONNX model whose input {name!r} has the fixed shape ({shape})", OPEN)
        self.guessed = str(binding)
        self.call = lambda model, batch: model(**{own: batch[given] for own, given in binding.arguments.items()})

    def __call__(self, *arrays, **named):
        """Run it on arrays, in the order of its inputs or by name; return its outputs by name."""
        named |= dict(zip(self.inputs, arrays, strict=False))
        given = {name: np.ascontiguousarray(array, self.kinds.get(name)) for name, array in named.items()}
        names = [one.name for one in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, given), strict=True))

    @property
    def model(self):
        """Return what ``call`` receives as the model."""
        return self

    def run(self, batch, cotangent, *, dtype, noise=None, traced=False, mode="", seed=0):  # noqa: ARG002
        """Run it on a batch; it has no gradients, no noise, no layers, and its own dtypes."""
        if mode == COMPILED:
            raise NotCompiled("an ONNX model is a graph already")
        with isolated():
            raw = self.call(self, NativeBatch({name: array.copy() for name, array in batch.items()}, self.read))
            outputs = flatten(self.outputs(raw) if self.outputs else raw, leaf)
        if not outputs:
            raise OutputError(raw)
        return Ran({n: a for n, a in outputs.items() if self.only is None or n in self.only}, {}, {})

    def take_as_loss(self, output):
        """Leave it without a loss, which would have no gradients."""

    def weights(self):
        """Return no weights: they are part of the graph."""
        return []

    def load(self, weights):
        """Keep those of the graph."""

    def dropouts(self):
        """Return no layers."""
        return []

    batch_norms = dropouts


def leaf(value):
    return value if isinstance(value, np.ndarray) else None


def opened(model, argument):
    """Return a session of one thread, so that the same run gives the same bits.

    Raises:
        InputError: ONNX Runtime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of the kinds that it raises, few are documented
        name = shown(model) if isinstance(model, str) else f"{len(model)} bytes"
        received = f"{name}, which ONNX Runtime {VERSION} cannot load ({first_lines(message_of(error))})"
        raise InputError(argument, received, "an ONNX model") from error
