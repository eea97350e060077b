"""Prepare what a user gives for the left and the right model of a pair: a model, a recording, or an ONNX model."""

from __future__ import annotations

from contextlib import ExitStack

from parity.errors import InputError
from parity.models.sequences import Inputs
from parity.pairs.functions import as_model
from parity.pairs.halves import NAMES, Half, Options, made, prepare_half
from parity.pairs.onnx_half import OnnxHalf, is_onnx
from parity.pairs.recorded import recorded_of
from parity.pairs.recorded_half import RecordedHalf


def prepare_halves(
    models: tuple[object, object], inputs: Inputs, options: Options, stack: ExitStack
) -> tuple[Half, Half]:
    """Return both models, held until the stack is closed, which gives them their own weights and dtypes back.

    Raises:
        InputError: what is no model, does not run on the inputs, or two ONNX models.
        FrameworkUnavailable: what runs one of them cannot be loaded.
    """
    left, right = (
        _half(name, as_model(name, made(model)), inputs, options.of(number), stack)
        for number, (name, model) in enumerate(zip(NAMES, models, strict=True))
    )
    if left.is_whole and right.is_whole:
        raise InputError(
            "left and right", "two ONNX models", "a model or a recording, which has a noise floor, on one side"
        )
    for half, other in ((left, right), (right, left)):
        if isinstance(half, OnnxHalf):
            half.other = other
    return left, right


def check_asked(halves: tuple[Half, Half], seeds: int, dtype: str, steps: int) -> None:
    """Check that both sides have what a check asks for.

    Raises:
        InputError: more seeds, or another dtype, than a recording has; training of something that cannot be trained.
    """
    for half in halves:
        half.check(seeds, dtype, steps)


def _half(name: str, model: object, inputs: Inputs, options: Options, stack: ExitStack) -> Half:
    if is_onnx(model):
        return OnnxHalf.of(name, model, inputs, options)
    recorded = recorded_of(model, name)
    if recorded is not None:
        return RecordedHalf.of(recorded, inputs, options.training)
    return prepare_half(name, model, inputs, options, stack)
