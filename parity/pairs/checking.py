"""Check whether two models of your own are the same function, and if not, in which layer, at which step, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from parity.arrays import numpy_defaults
from parity.errors import a_function, choose, names, of_kind, reasons, whole_number
from parity.models.checking import DTYPES, of_inputs
from parity.models.contracts import CONTRACTS, usual_contracts
from parity.models.sequences import Inputs
from parity.pairs.carrying import Carrier, check_transfer
from parity.pairs.examination import Examination
from parity.pairs.halves import NAMES, Function, Options, both
from parity.pairs.names import Named
from parity.pairs.preparing import check_asked, prepare_halves
from parity.pairs.training import check_optimiser
from parity.pairs.verdict import SAME, PairVerdict

Functions = Function | tuple[Function, Function]


def check_pair(
    left: object,
    right: object,
    inputs: Inputs,
    *,
    call: Functions = None,
    outputs: Functions = None,
    loss: Functions = None,
    transfer: str | Callable[[Any, Any], object] | None = None,
    pairs: Mapping[Named, Named] | None = None,
    ignore: Iterable[str] = (),
    contracts: Iterable[str] = (),
    dtype: str = "float32",
    training: bool = False,
    steps: int = 0,
    optimiser: Any = None,
    seeds: int = 3,
    expected_failures: Mapping[str, str] | None = None,
) -> PairVerdict:
    """Hold two models of your own to being the same function, and each to the contracts about padding.

    Outputs on real steps and the gradients of all weights and float inputs are compared in float64, where the same
    function differs by rounding only, and then in the dtype asked for. Limits are the noise floors of both models.
    Neither model is changed.

    Args:
        left, right: modules, Keras models or layers, or functions without arguments that make one. One of them may be
            an ONNX model, the name of an ``.onnx`` file or its bytes, whose outputs alone are compared; either may be
            the folder of a recording by `parity.record_model` of the same inputs, which needs no framework.
        inputs: what both take: `parity.inputs` or `parity.batch`.
        call, outputs, loss: those of `parity.check_model`; one function, or a tuple of two.
        transfer: "left to right" or "right to left" carries the weights by `parity.transfer_weights`; a function of
            both models carries them itself; with None, it is verified that they are equal.
        pairs, ignore: those of `parity.transfer_weights`; names of the left model first.
        contracts: those of `parity.check_model` that each model is held to; all when empty. ``["same_function"]``
            alone holds them to none.
        dtype: the one to check beside float64.
        training: whether layers are in the mode of training; dropout is 0 then, and moving statistics are compared.
        steps: how many batches both models are trained on, from the same weights, with the same loss, without dropout;
            their weights are compared after each step. Neither model keeps what it has learned.
        optimiser: "sgd", "momentum", "nesterov", "adam", "amsgrad", "adamw", "nadam", "adamax", "rmsprop", "adagrad"
            or "adadelta": the same mathematics on both sides, of two biases as of one. Or your own, a tuple of two, in
            the order of the models: optimisers, or functions that make them, in PyTorch from a list of parameters.
        seeds: how many samples of sequences and values are tried; a third of them, in float64, for each model alone.
        expected_failures: contract -> reason: "same_function", or one of `parity.check_model`, for both models or as
            "left.ignores_padding" for one. One that holds all the same is a failure.

    Returns:
        A `Verdict`: true if all contracts hold; ``same_function`` is whether both agree; ``str`` explains it.

    Raises:
        TransferError: layers without a partner, or choices that are left to the user.
        InputError: a wrong argument, or a model that cannot be called with the inputs.
        FrameworkUnavailable: a framework cannot be loaded.
    """
    asked = asked_of(
        inputs,
        call=call,
        outputs=outputs,
        loss=loss,
        transfer=transfer,
        pairs=pairs,
        ignore=ignore,
        contracts=contracts,
        dtype=dtype,
        training=training,
        steps=steps,
        optimiser=optimiser,
        seeds=seeds,
        expected_failures=expected_failures,
    )
    return asked.check(left, right)


@dataclass(frozen=True)
class Asked:
    """The arguments of one call of `check_pair`, all but the models.

    Attributes:
        chosen: contracts that each model is held to.
        expected: contract, of one model or of both -> reason why it fails.
        others: those of `check_pair`.
    """

    inputs: Inputs
    functions: Mapping[str, Functions]
    transfer: str | Callable[[Any, Any], object] | None
    pairs: Mapping[Named, Named]
    ignore: list[str]
    chosen: list[str]
    dtype: str
    training: bool
    steps: int
    optimiser: Any
    seeds: int
    expected: Mapping[str, str]

    def check(self, left: object, right: object) -> PairVerdict:
        """Hold two models to what is asked of them."""
        inputs, dtype, seeds, steps = self.inputs, self.dtype, self.seeds, self.steps
        with numpy_defaults(), ExitStack() as stack:
            graphs = bool(self.chosen or steps) or seeds > 1  # else there are too few runs for them
            options: dict[str, Any] = {**self.functions, "training": self.training, "graphs": graphs}
            halves = prepare_halves((left, right), inputs, Options(**options), stack)
            check_asked(halves, seeds, dtype, steps)
            carrier = Carrier(halves, inputs, both("call", self.functions["call"]), dict(self.pairs), self.ignore)
            carried = carrier.carry(self.transfer)
            examination = Examination(halves, inputs, carrier, carried, dtype, seeds, steps, self.optimiser)
            return examination.verdict(self.chosen, self.expected)


def asked_of(
    inputs: Inputs,
    *,
    call: Functions,
    outputs: Functions,
    loss: Functions,
    transfer: str | Callable[[Any, Any], object] | None,
    pairs: Mapping[Named, Named] | None,
    ignore: Iterable[str],
    contracts: Iterable[str],
    dtype: str,
    training: bool,
    steps: int,
    optimiser: Any,
    seeds: int,
    expected_failures: Mapping[str, str] | None,
) -> Asked:
    """Check the arguments of `check_pair`, all but the models.

    Raises:
        InputError: a wrong argument.
    """
    of_inputs(inputs)
    choose("dtype", dtype, DTYPES)
    of_kind("training", training, bool, "True or False")
    whole_number("steps", steps, least=0, most=999)
    check_optimiser(steps, optimiser)
    whole_number("seeds", seeds, least=1, most=10_000)
    functions = {"call": call, "outputs": outputs, "loss": loss}
    _check_functions(functions)
    check_transfer(transfer)
    return Asked(
        inputs,
        functions,
        transfer,
        of_kind("pairs", pairs or {}, Mapping, "names by names"),
        names("ignore", ignore),
        chosen_of_sides(names("contracts", contracts)),
        dtype,
        training,
        steps,
        optimiser,
        seeds,
        expectations(expected_failures or {}),
    )


def _check_functions(functions: Mapping[str, object]) -> None:
    """Check that each argument is a function, a tuple of two, or None."""
    for argument, received in functions.items():
        for one in both(argument, received):
            if one is not None:
                a_function(argument, one)


def chosen_of_sides(contracts: list[str]) -> list[str]:
    """Return the contracts that each model is held to."""
    known = (SAME, *CONTRACTS)
    chosen = [choose("contracts", name, known) for name in contracts]
    return [name for name in chosen if name != SAME] if chosen else usual_contracts()


def expectations(expected: Mapping[str, str]) -> dict[str, str]:
    """Return the expected failures of both models and of each, by full names."""
    known = [SAME, *CONTRACTS, *(f"{half}.{name}" for half in NAMES for name in CONTRACTS)]
    found = {}
    for name, reason in reasons("expected_failures", expected, known).items():
        for full in [name] if name == SAME or "." in name else [f"{half}.{name}" for half in NAMES]:
            found[full] = reason
    return found


def assert_pair(left: object, right: object, inputs: Inputs, **options: Any) -> None:
    """Raise an AssertionError that explains itself, unless two models of your own are the same function.

    Args:
        left, right, inputs, options: those of `check_pair`.

    Raises:
        AssertionError: they are not, a contract is broken, or nothing was compared.
        TransferError, InputError, FrameworkUnavailable: as for `check_pair`.
    """
    verdict = check_pair(left, right, inputs, **options)
    if not verdict:
        raise AssertionError(str(verdict))
