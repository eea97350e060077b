"""What a row of the table of operations says.

Axes have one letter each:

    B batch   T time   D features   H hidden   E both directions' hidden, 2H   V vocabulary   C classes   S labels

and a digit is an axis of just that size: ``"D4H"`` is a kernel with four gates, ``"1BH"`` the state of one
layer. ``""`` is a scalar. A name that ends in ``.0``, ``.1`` … is one item of a tuple, one for each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.errors import choose

# From the source of randomness, the lengths and the size of each axis.
Sampler = Callable[[np.random.Generator, Lengths, Mapping[str, int]], Array]


@dataclass(frozen=True)
class Input:
    """One array that goes in.

    Attributes:
        axes: a letter or digit for each axis.
        below: for ids, the axis letter whose size they stay below; empty for floats.
        up_to: for counts, the axis letter whose size they may reach; empty for floats.
        scale: standard deviation of the floats sampled.
        unit: sample floats between 0 and 1, as probabilities are.
        fan_in: for weights, the axis that is summed over: the scale shrinks as it widens, so that a large layer is
            not saturated, or chaotic, where a small one is not.
        blank: the share of real steps that look like padding: all features are what it holds, or else the config's
            ``padding_index``, or else 0. Others do in part; where the answer is read off the padding, some are tiny,
            and some add up to 0.
        raised: what every second sequence has on top, beginning with the first: at 100, exp() is inf in float32.
        first: what the first feature of these sequences has besides: at -100, a softmax leaves it 0 in float32.
        extreme: the share of floats that are beyond 100 or -100: in a gate that far shut, or a loss that far off, a
            formula written by hand overflows.
        padding: what its padding always holds, where an operation reads that; None where it must not matter, and is
            sampled.
        lengths: for an array (B, S, ...), the input that says how many of its S are real.
        sample: samples the array, where its values hang together with the lengths.
        buffer: it is no parameter, as running statistics are none: its gradient is 0 by definition.
    """

    axes: str
    below: str = ""
    up_to: str = ""
    scale: float = 1.0
    unit: bool = False
    fan_in: str = ""
    blank: float = 0.0
    raised: float = 0.0
    first: float = 0.0
    extreme: float = 0.0
    padding: float | None = None
    lengths: str = ""
    sample: Sampler | None = None
    buffer: bool = False


@dataclass(frozen=True, eq=False)
class Configuration:
    """One way to call an operation: what goes in, what comes out, under which options.

    Attributes:
        inputs: every array but ``lengths``, which all operations take.
        outputs: name -> axes.
        options: keyword arguments that are no arrays.
        initial: final state -> the input it starts from ("" when it starts from zeros).
        pad_row: the parameter whose row ``options["padding_index"]`` counts as padding, if any.
        couples: why the sequences of a batch depend on each other; empty when they do not.
        data: which real data set fills the batch arrays; empty when they are sampled.
        discrete: outputs that are truth values or whole numbers, and have no gradient.
        left: the padding stands before each sequence, not behind it.
        also: lengths in which it is tried beside the usual ones: "one_step", where a single real step is special, or
            T = 1 easily is; "many_steps", more than a byte can count, where that costs little.
    """

    name: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, str] = field(default_factory=dict)
    pad_row: str = ""
    couples: str = ""
    data: str = ""
    discrete: tuple[str, ...] = ()
    left: bool = False
    also: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """What a function of this configuration is called with, by name; ``w_in.0``, ``w_in.1`` … come as one tuple."""
        first, *rest = dict.fromkeys(name.partition(".")[0] for name in self.inputs)
        return [first, "lengths", *rest, *self.options]

    @property
    def reads_padding(self) -> str:
        """Why nothing in the padding may change; empty when something may: a cotangent, or the pad row."""
        read = [name for name, array in self.inputs.items() if array.padding is not None]
        free = self.pad_row or any("T" in axes for axes in self.outputs.values())
        return f"the padding of {', '.join(read)} is what it reads the answer off" if read and not free else ""


@dataclass(frozen=True)
class ExpectedFailure:
    """A case that a variant cannot do, kept as a claim: it must go on refusing, in these words.

    Attributes:
        variant: "framework.variant".
        case, mode, dtype: patterns for "config/lengths", the mode and the dtype, as in `fnmatch`.
        says: part of the framework's message.
        why: the reason, for a reader.
    """

    variant: str
    case: str
    says: str
    why: str
    mode: str = "*"
    dtype: str = "*"

    def covers(self, variant: str, case: str, mode: str, dtype: str) -> bool:
        """Whether the claim is about this run."""
        asked = ((case, self.case), (mode, self.mode), (dtype, self.dtype))
        return variant == self.variant and all(fnmatch(name, pattern) for name, pattern in asked)


@dataclass(frozen=True, eq=False)
class Operation:
    """One thing that every framework computes.

    Attributes:
        name: "topic.function": the file and the function in each framework.
        configurations: the ways it is called.
        variants: framework -> the ways that framework computes it; the first is the idiomatic one.
        omits: "framework.variant" -> outputs it cannot give, with the reason.
        expected_failures: cases that a variant cannot do.
    """

    name: str
    configurations: tuple[Configuration, ...]
    variants: Mapping[str, tuple[str, ...]]
    omits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    expected_failures: tuple[ExpectedFailure, ...] = ()

    @property
    def topic(self) -> str:
        return self.name.partition(".")[0]

    @property
    def function(self) -> str:
        return self.name.partition(".")[2]

    def omitted(self, variant: str) -> Mapping[str, str]:
        """The outputs that "framework.variant" cannot give, with the reason."""
        return self.omits.get(variant, {})

    def expected_failure(self, variant: str, case: str, mode: str, dtype: str) -> ExpectedFailure | None:
        """What "framework.variant" is known to refuse about "config/lengths" in a mode and a dtype."""
        return next(
            (
                expected_failure
                for expected_failure in self.expected_failures
                if expected_failure.covers(variant, case, mode, dtype)
            ),
            None,
        )

    def configuration(self, name: str) -> Configuration:
        """The configuration of that name; `InputError` names the nearest right one."""
        configurations = {config.name: config for config in self.configurations}
        return configurations[choose("config", name, configurations)]
