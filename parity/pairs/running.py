"""Make both models of a pair ready to be run on the same batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from parity.arrays import Array
from parity.errors import InputError, first_lines, message_of, shown
from parity.models.inputs import features, tokens
from parity.models.layouts import padded
from parity.models.observing import arrays_of
from parity.models.sequences import Inputs, LengthsSpec, Sequences
from parity.models.sequences import inputs as described_by
from parity.models.side import Side
from parity.models.sides import side_of
from parity.pairs.examples import example
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


Given = Inputs | tuple[Any, Any] | None
Call = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]] | None


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


def prepare(source: object, target: object, inputs: Given, call: Call) -> tuple[Runnable, Runnable]:
    """Return both models with batches on which they have run once, so that they are built.

    Args:
        source, target: models or factories.
        inputs: what both take; None if it is to be guessed; or the arguments of each, as arrays or tensors.
        call: how to call them: one function for both, or one for each.

    Raises:
        InputError: a model does not run on them.
    """
    from parity.pairs.recorded import recorded_of  # which needs this module

    first, second = call if isinstance(call, tuple) else (call, call)
    models = ((source, "source", first), (target, "target", second))
    recordings = [recorded_of(model, name) for model, name, _ in models]
    if any(recordings):
        if not isinstance(inputs, Inputs):
            raise InputError("inputs", shown(inputs), "parity.inputs(…) or parity.batch(…), those of the recording")
        own, theirs = (
            recorded.runnable(inputs) if recorded else _ran(model, inputs, each, name)
            for recorded, (model, name, each) in zip(recordings, models, strict=True)
        )
        return own, theirs
    sides = [made_of(model, name) for model, name in ((source, "source"), (target, "target"))]
    if inputs is None:
        inputs = guessed(sides)
    if isinstance(inputs, Inputs):
        batches = both_batches(inputs)
        described = [(inputs, batches, first), (inputs, batches, second)]
    elif isinstance(inputs, tuple) and len(inputs) == 2:
        described = [example(arguments, each) for arguments, each in zip(inputs, (first, second), strict=True)]
    else:
        raise InputError("inputs", shown(inputs), EXPECTED)
    made = []
    for name, side, (spec, given, each) in zip(("source", "target"), sides, described, strict=True):
        made.append(run_once(make_side(model_of(side), spec, each, name), *given, name))
    return made[0], made[1]


def _ran(model: object, inputs: Inputs, call: Callable[..., Any] | None, argument: str) -> Runnable:
    return run_once(make_side(model, inputs, call, argument), *both_batches(inputs), argument)


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


def guessed(sides: list[Side]) -> Inputs:
    """Describe inputs by the first layer of either model: tokens for an embedding, else features."""
    for side in sides:
        for unit in _units(side):
            if unit.kind == "embedding":
                return described_by(tokens=tokens(max(2, unit.size[0])))
            if unit.kind.startswith("conv"):
                return described_by(features=features(unit.size[-3] * unit.size[-1]))
            if unit.kind in ("dense", "lstm", "gru", "rnn", "attention"):
                return described_by(features=features(unit.size[0]))
    raise InputError("inputs", "None, and no layer that shows what the models take", EXPECTED)


def _units(side: Side) -> Iterator[Unit]:
    try:
        yield from weights_of(side).units()
    except Exception:  # a lazy layer has no shapes yet
        return


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
