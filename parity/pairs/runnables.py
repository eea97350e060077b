"""Make the source and the target of a transfer ready to be run on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from parity.errors import InputError, shown
from parity.models.inputs import features, tokens
from parity.models.sequences import Inputs
from parity.models.sequences import inputs as described_by
from parity.models.side import Side
from parity.pairs.examples import example
from parity.pairs.recorded import recorded_of
from parity.pairs.running import EXPECTED, Runnable, both_batches, made_of, make_side, model_of, run_once, weights_of
from parity.pairs.units import Unit

Given = Inputs | tuple[Any, Any] | None
Call = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]] | None


def prepare(source: object, target: object, inputs: Given, call: Call) -> tuple[Runnable, Runnable]:
    """Return both models with batches on which they have run once, so that they are built.

    Args:
        source, target: models or factories.
        inputs: what both take; None if it is to be guessed; or the arguments of each, as arrays or tensors.
        call: how to call them: one function for both, or one for each.

    Raises:
        InputError: a model does not run on them.
    """
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
