"""Define the rows of the table of operations.

Axes have one letter each:

    B batch   T time   D features   H hidden   E both directions' hidden, 2H   V vocabulary   C classes   S labels
    P positions, one row of a table for each that a sequence of T steps can have

A digit is an axis of that size: ``"D4H"`` is a kernel with four gates, ``"1BH"`` the state of one layer. ``""`` is a
scalar. A name that ends in ``.0``, ``.1`` … is one item of a tuple, one for each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.errors import choose

# Samples an array from a generator, the lengths and the size of each axis.
Sampler = Callable[[np.random.Generator, Lengths, Mapping[str, int]], Array]

# Lengths for another value of an option: 18 rows where B = T = D = H, and a single row past a byte of steps. What is
# wrong on a condition on one size shows on one of the two.
OF_ALL_SIZES = ("large_square", "long_sequence")
OF_FEW_STEPS = ("large_square", "one_sequence")  # where time grows with the square of the steps
# The same for all contracts, and past a byte of steps in several rows.
ON_THE_LEFT = ("ragged", "large_square", "long", "one_sequence")

# Offset of values whose maximum is taken: lowered by it, they are below what masks often hold in place of -inf.
FAR = 3e4

MANY = ("many_steps",)  # extra lengths of a configuration
FEW_AND_MANY = ("one_step", *MANY)
MANY_SEQUENCES = ("many_sequences",)  # for what counts steps or ids


@dataclass(frozen=True)
class Input:
    """One input array, and how it is sampled.

    Attributes:
        axes: a letter or digit for each axis.
        below: for ids, the axis letter whose size they stay below, or a digit; empty for floats.
        up_to: for counts, the axis letter whose size they may reach; empty for floats.
        scale: standard deviation of the floats sampled.
        unit: sample floats between 0 and 1, like probabilities.
        fan_in: for weights, the axis that is summed over: the scale shrinks as it widens, so that a large layer is
            not saturated or chaotic where a small one is not.
        padding_like: share of real steps that look like padding: all features equal ``padding``, else the
            configuration's ``padding_index``, else 0. Other steps look like it in part; if ``padding`` is set, some
            are tiny, and some add up to 0.
        offset: added to every second sequence, beginning with the first: at 100, exp() is inf in float32.
        lowered: how much further down these are in batches that lower them: below what masks hold in place of -inf.
        first_offset: added to the first feature of these sequences: at -100, a softmax gives it 0 in float32.
        last_offset: added to the last feature of every fourth sequence, beginning with the second: it is the largest.
        extreme: share of floats beyond 100 or -100, at which a gate is saturated and a loss written by hand overflows.
        equal: where some real values are equal, beside others that are not: "H", the features of one step, such as
            silence; "T", one feature in one whole sequence; "BT", one feature in all of them. Their deviation is 0,
            where a root has no slope. Not in 16 bits, whose range the slopes beside it exceed.
        equal_to: the values that these may have.
        padding: value of all padding, if an operation reads it; None if it must not matter, and is sampled.
        lengths: for an array (B, S, ...), the input with the number of real items among the S.
        sample: samples the array, if its values depend on the lengths or on each other.
        buffer: True for an array that is no parameter, such as running statistics: its gradient is 0 by definition.
    """

    axes: str
    below: str = ""
    up_to: str = ""
    scale: float = 1.0
    unit: bool = False
    fan_in: str = ""
    padding_like: float = 0.0
    offset: float = 0.0
    lowered: float = 0.0
    first_offset: float = 0.0
    last_offset: float = 0.0
    extreme: float = 0.0
    equal: str = ""
    equal_to: tuple[float, ...] = (0.0, 1.0, -2.0)
    padding: float | None = None
    lengths: str = ""
    sample: Sampler | None = None
    buffer: bool = False


@dataclass(frozen=True, eq=False)
class Configuration:
    """One way to call an operation: its inputs, outputs and options.

    Attributes:
        inputs: every array but ``lengths``, which all operations take.
        outputs: name -> axes.
        options: keyword arguments that are not arrays.
        initial: final state -> the input it starts from ("" if it starts from zeros).
        pad_row: the parameter whose row ``options["padding_index"]`` counts as padding, if any.
        coupling: the reason why sequences of a batch depend on each other; empty if they do not.
        data: name of the real data set that fills the batch arrays; empty if they are sampled.
        discrete: outputs that are truth values or whole numbers, and have no gradient.
        left: True if the padding precedes each sequence; one whose function takes the side has an option of that name.
        extra_lengths: lengths beside the usual ones: "one_step", if a single real step, or T = 1, is a special case;
            "many_steps", more than a byte can count, if that costs little; "many_sequences", more than a byte can
            count, of more steps than float16 can, for some of the operations that count.
        lengths: the only ones, of a configuration that is there for another value of an option.
        least: the smallest sizes at which there is something to compare, for batches whose sizes are special.
        stepwise: whether TensorFlow runs Python for each step, unless it traces a graph.
        aborts_without_sequences: the framework whose own layer ends the process on a batch without sequences; a user's
            function of that framework is given none.
        first_derivatives_only: the reason why second derivatives are not compared; empty if they are.
    """

    name: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, str] = field(default_factory=dict)
    pad_row: str = ""
    coupling: str = ""
    data: str = ""
    discrete: tuple[str, ...] = ()
    left: bool = False
    extra_lengths: tuple[str, ...] = ()
    lengths: tuple[str, ...] = ()
    least: Mapping[str, int] = field(default_factory=dict)
    stepwise: bool = False
    aborts_without_sequences: str = ""
    first_derivatives_only: str = ""

    @property
    def arguments(self) -> list[str]:
        """Return the names of a function's arguments; ``w_in.0``, ``w_in.1`` … are one tuple."""
        first, *rest = dict.fromkeys(name.partition(".")[0] for name in self.inputs)
        return [first, "lengths", *rest, *self.options]

    def with_options(self, name: str, *lengths: str, **options: Any) -> Configuration:
        """Return it with other values of some options, to be tried with these lengths only."""
        return replace(self, name=name, options={**self.options, **options}, lengths=lengths)

    def left_padded(self, *lengths: str, name: str = "left_padded", **options: Any) -> Configuration:
        """Return it with the padding before each sequence, and the option ``left``, to be tried with a few lengths."""
        return replace(self.with_options(name, *(lengths or ON_THE_LEFT), left=True, **options), left=True)

    @property
    def in_one_batch(self) -> str:
        """Return the reason why it cannot be split into batches in another way; empty if an option says how."""
        return "" if "splits" in self.options else "it computes one batch, which nothing splits"

    @property
    def without_mask(self) -> str:
        """Return the reason why its sequences have no holes; empty if a mask says where they are."""
        return "" if "mask" in self.inputs else "it takes lengths, which cannot express holes"

    def splits_otherwise(self, other: Configuration) -> bool:
        """Tell whether another configuration differs in nothing but the number of batches."""
        if self.in_one_batch or other.in_one_batch or self.options["splits"] == other.options["splits"]:
            return False
        alike = self.inputs == other.inputs and self.outputs == other.outputs
        return alike and {**self.options, "splits": 0} == {**other.options, "splits": 0}

    @property
    def axes(self) -> dict[str, str]:
        """Return the axes of every input and output, by name."""
        return {**{name: array.axes for name, array in self.inputs.items()}, **self.outputs}

    @property
    def buffers(self) -> list[str]:
        """Return the names of inputs that are no parameters, such as running statistics."""
        return [name for name, array in self.inputs.items() if array.buffer]

    @property
    def without_floats(self) -> str:
        """Return the reason why nothing can be NaN; empty if some output or parameter can."""
        whole = set(self.outputs) <= set(self.discrete)
        return "the outputs are whole numbers or truth values, and have no gradient" if whole else ""

    @property
    def reads_padding(self) -> str:
        """Return the reason why no padding may change; empty if a cotangent or the pad row may."""
        read = [name for name, array in self.inputs.items() if array.padding is not None]
        unread = [array.padding is None and array.axes.startswith("BT") for array in self.inputs.values()]
        can_change = self.pad_row or any(unread) or any("T" in axes for axes in self.outputs.values())
        if not read or can_change:
            return ""
        return f"the result is read from the padding of {', '.join(read)}"


@dataclass(frozen=True)
class ExpectedFailure:
    """A case on which a variant must fail, with a given message.

    Attributes:
        variant: "framework.variant".
        case, mode, dtype: patterns for "config/lengths", the mode and the dtype, as in `fnmatch`.
        message: part of the framework's message; empty if it raises nothing, and ``quantity`` is wrong.
        why: the reason, for a reader.
        contract: the only one that fails; empty if the variant does not run at all.
        unless: the only contract that holds all the same; empty if none does.
        quantity: the one that is wrong, where nothing is raised.
    """

    variant: str
    case: str
    message: str
    why: str
    mode: str = "*"
    dtype: str = "*"
    contract: str = ""
    unless: str = ""
    quantity: str = ""


@dataclass(frozen=True, eq=False)
class Operation:
    """One computation that every framework implements.

    Attributes:
        name: "topic.function": the file and the function in each framework.
        configurations: the ways to call it.
        variants: framework -> the ways in which it computes this; the first is the idiomatic one.
        omits: "framework.variant" -> outputs that it does not return, with the reason.
        expected_failures: cases on which a variant must fail.
        own_gradients: "framework.variant" of those whose backward pass, or part of it, is written by hand.
    """

    name: str
    configurations: tuple[Configuration, ...]
    variants: Mapping[str, tuple[str, ...]]
    omits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    expected_failures: tuple[ExpectedFailure, ...] = ()
    own_gradients: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        return self.name.partition(".")[0]

    @property
    def function(self) -> str:
        return self.name.partition(".")[2]

    def omitted(self, variant: str) -> Mapping[str, str]:
        """Return the outputs that "framework.variant" does not return, with the reason."""
        return self.omits.get(variant, {})

    def expected_failure(
        self, variant: str, case: str, mode: str, dtype: str, contract: str = ""
    ) -> ExpectedFailure | None:
        """Return the failure expected of "framework.variant" on "config/lengths" in a mode and a dtype.

        Failures of a contract alone are included where that contract is named.
        """
        for failure in self.expected_failures:
            if failure.contract not in ("", contract) or (contract and contract == failure.unless):
                continue
            patterns = ((case, failure.case), (mode, failure.mode), (dtype, failure.dtype))
            if variant == failure.variant and all(fnmatch(*pattern) for pattern in patterns):
                return failure
        return None

    def other_side(self, config: Configuration) -> Configuration | None:
        """Return the configuration that differs by the side of the padding only; None if there is none."""
        others = (one for one in self.configurations if one.left != config.left and one.axes == config.axes)
        return next((one for one in others if _without_side(one) == _without_side(config)), None)

    def configuration(self, name: str) -> Configuration:
        """Return the configuration of that name; `InputError` names the nearest one."""
        configurations = {config.name: config for config in self.configurations}
        return configurations[choose("config", name, configurations)]


def _without_side(config: Configuration) -> dict[str, Any]:
    return {name: value for name, value in config.options.items() if name != "left"}
