"""Make a model ready to be run on a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from parity.arrays import Array
from parity.errors import InputError, first_lines, message_of
from parity.models.layouts import padded
from parity.models.observing import arrays_of
from parity.models.sequences import Inputs, LengthsSpec, Sequences
from parity.models.side import Side
from parity.models.sides import side_of
from parity.pairs.maps import Numbering
from parity.pairs.observed import Observed
from parity.pairs.units import Unit

MODELS = {
    "pytorch": ("parity.pairs.pytorch_model", "PyTorchModel"),
    "tensorflow": ("parity.pairs.keras_model", "KerasModel"),
}
EXPECTED = "inputs=parity.inputs(…), or (arguments of the source, arguments of the target), on which both models run"
EQUAL = (7, 7, 7)  # lengths of a batch without padding
Batch = Mapping[str, Array]


class Weights(Protocol):
    """A model as a set of named arrays that layers share; one class for each framework."""

    framework: str
    separator: str
    side: Side
    numbering: Numbering

    def arrays(self) -> dict[str, Array]: ...
    def directions(self) -> dict[str, Array]: ...
    def assign(self, arrays: Mapping[str, Array], directions: Mapping[str, Array] | None = None) -> None: ...
    def keep(self) -> Callable[[], None]: ...
    def derived(self) -> set[str]: ...
    def components(self) -> dict[str, list[str]]: ...
    def trainable(self) -> set[str]: ...
    def pulled_back(self, gradients: Mapping[str, Array]) -> dict[str, Array]: ...
    def buffers(self) -> list[str]: ...
    def units(self) -> list[Unit]: ...
    def observe(self, batch: Batch, dtype: str) -> Observed: ...
    def dependents(self, batch: Batch, dtype: str, paths: Sequence[str]) -> dict[str, set[str]]: ...


@dataclass(frozen=True, eq=False)
class Runnable:
    """A model with the batches that it runs on.

    Attributes:
        model: its weights.
        unequal: a batch with padding.
        full: one without, if it can be made.
        dtype: the widest in which it runs.
    """

    model: Weights
    unequal: Batch
    full: Batch
    dtype: str

    def observe(self) -> Observed:
        """Run it on the batch with padding."""
        return self.model.observe(self.unequal, self.dtype)

    def observe_full(self) -> Observed:
        """Run it on the batch without padding."""
        return self.model.observe(self.full, self.dtype)

    def dependents(self, paths: Sequence[str]) -> dict[str, set[str]]:
        """Return the layers that receive something else when one returns something else."""
        return self.model.dependents(self.unequal, self.dtype, paths)


def make_side(model: object, inputs: Inputs, call: Callable[..., Any] | None, argument: str) -> Side:
    """Return a side of a model with layers.

    Raises:
        InputError: it is a function.
    """
    side, _ = side_of(model, inputs, call=call, outputs=None, loss=None, training=False)
    if not hasattr(model_of(side), LAYERS[side.framework]):
        raise InputError(argument, "a function", "a model with weights: an nn.Module, a Keras model or layer")
    return side


LAYERS = {"pytorch": "named_modules", "tensorflow": "trainable_variables"}


def model_of(side: Side) -> Any:
    """Return the model of a side, which a factory may have made."""
    return side.model  # type: ignore[attr-defined]


def weights_of(side: Side) -> Weights:
    """Return the weights of a side's model."""
    module, name = MODELS[side.framework]
    found: Weights = getattr(import_module(module), name)(side)
    return found


def made_of(model: object, argument: str) -> Side:
    """Return a side of a model, or of what a factory makes, that cannot be run yet."""
    return make_side(model, Inputs({}, LengthsSpec()), _not_called, argument)


def both_batches(inputs: Inputs) -> tuple[Batch, Batch]:
    """Return a batch with padding, and one without."""
    unequal = inputs.sample(0)
    longest = max(unequal.lengths)
    equal = EQUAL if inputs.given is None else tuple(longest for _ in unequal.lengths)
    full = Sequences(equal, inputs.sample(0, equal).arrays)
    first, second = (arrays_of(inputs, own, padded(own.lengths, max(own.lengths))) for own in (unequal, full))
    return first, second


def run_once(side: Side, unequal: Batch, full: Batch, argument: str) -> Runnable:
    """Run a model in the widest dtype that it takes; masks become whole numbers if it needs them."""
    errors = []
    for dtype in ("float64", "float32"):
        for side.whole_masks in (False, True):
            try:
                side.run(unequal, None, dtype=dtype)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except Exception as error:  # whatever a model raises is what there is to report
                errors.append(first_lines(message_of(error)))
                continue
            return Runnable(weights_of(side), unequal, full, dtype)
    raise InputError(argument, f"a model that raised {errors[0]}", EXPECTED)


def _not_called(*_: Any) -> None:
    """Stand for a call that is not known yet."""
