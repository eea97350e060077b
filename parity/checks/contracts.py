"""The contracts: what correct padding promises, with the name, limits and words of each.

A check transforms a case and asserts how outputs and gradients must change. A contract that does not apply to a case
says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from parity import frameworks
from parity.arrays import DTYPES
from parity.cases.case import Case
from parity.cases.documents import SEGMENTS, is_packed
from parity.cases.lengths import ASKED_FOR, DESIGNED, LARGE, LENGTHS, LONG, MANY_STEPS, REAL
from parity.checks import effects, judges, poison
from parity.checks.comparison import Difference
from parity.checks.subject import Subject
from parity.operations import Configuration

FIRST = (next(iter(LENGTHS)), next(iter(REAL)))
ONCE = (*FIRST, "short")  # real data in few sequences
COINCIDING = LARGE  # B = T = D = H
SQUARE = "square"  # the same, in few rows
PAST_A_BYTE = (LONG, MANY_STEPS, "long")  # the first that a configuration has: of one row, if that costs little
# Short enough to run eagerly too: a configuration for another value of an option is traced with one of them.
OF_OPTIONS = tuple(name for name, spec in DESIGNED.items() if spec.steps <= DESIGNED[LARGE].steps)
OF_EVERY_SIZE = (*FIRST, "one_sequence", "many_rows", "square", LARGE, "long")
EVERY = (*LENGTHS, *ASKED_FOR, *REAL)
DESIGNED_TOO = (*EVERY, *DESIGNED)

Judge = Callable[[Subject, Case], list[Difference]]


def _no_judge(subject: Subject, case: Case) -> list[Difference]:
    raise NotImplementedError("training is judged over many steps: parity.training")


@dataclass(frozen=True)
class Contract:
    """A promise."""

    name: str  # as in ids and reports
    promise: str  # one sentence
    abbreviation: str  # at most six letters, for the head of a narrow column
    against: str  # what the expected value is
    otherwise: str  # what a function does that breaks it
    judge: Judge = _no_judge  # holds a subject to it on a case
    lengths: tuple[str, ...] = FIRST  # more where looking at a case that ran is enough: transforming one costs a run
    unless: Callable[[Case], str] = lambda _: ""  # why it does not apply to a case; empty when it does
    unless_config: Callable[[Configuration], str] = lambda _: ""  # why a configuration does not promise it
    both_frameworks: bool = False  # whether it needs the other framework too
    echoes: str = ""  # the contract that fails wherever this one does, if any
    from_mode: int = 0  # the first mode it makes sense in: 0 eager, 1 the others
    reruns: bool = False  # whether it runs each case again, transformed: see `parity.checks.covering`
    compiled: bool = False  # whether it is about compiled modes; those take long, and are tried in a full run only
    exported: bool = False  # whether it is about what was exported; tried where it is named
    narrow: bool = False  # whether a full run tries it in narrow dtypes too
    eager_only: bool = False  # whether it is tried in eager mode only
    once: bool = False  # whether a default run tries it on one case of each variant only
    of_variants: bool = False  # whether a user's function is held to it only where it is named
    recorded: bool = False  # whether it is about a recording, which was made eagerly; tried where one is replayed
    trained: bool = False  # whether it is about many steps of training, which `parity.training` plans and judges

    def modes(self, framework: str) -> tuple[str, ...]:
        """Return the modes of a framework in which it is tried."""
        if self.compiled:
            return frameworks.COMPILED[framework]
        if self.exported:
            return frameworks.EXPORTED[framework]
        return frameworks.MODES[framework][self.from_mode : 1 if self.recorded or self.eager_only else None]

    @property
    def takes_long(self) -> bool:
        """Tell whether no default run tries it."""
        return self.compiled or self.exported

    def tried_in(self, dtype: str) -> bool:
        """Tell whether it is tried in a dtype: compiled code in float32 only, narrow dtypes where they matter."""
        return dtype == "float32" if self.compiled else dtype in DTYPES or self.narrow


def _no_sequence(case: Case) -> str:
    return "" if len(case.lengths) else "the case has no sequence"


def _no_real_step(case: Case) -> str:
    return "" if case.lengths.any() else "the case has no real step"


def _no_padding(case: Case) -> str:
    return "" if (~case.mask).any() or case.configuration.pad_row else "the case has no padding"


def _no_side(config: Configuration) -> str:
    return "" if config.options.get("left") else "it has no option for padding on the left"


def _one_side(case: Case) -> str:
    other = case.row.other_side(case.configuration)
    return _no_sequence(case) if other else "no configuration is the same for padding on the right"


def _nothing_on_padding(case: Case) -> str:
    if not case.differentiated and not any(axes.startswith("BT") for axes in case.axes.values()):
        return "no output has steps, and there are no gradients"
    return _no_padding(case)


def _no_empty(case: Case) -> str:
    if not case.differentiated and case.lengths.any() and not any("B" in axes for axes in case.axes.values()):
        return "no output has rows, and there are no gradients"
    return "" if (case.lengths == 0).any() else "the case has no empty sequence"


def _no_holes(case: Case) -> str:
    return "" if (case.mask & ~case.kept).any() else "the case has no hole"


def _not_stepwise(config: Configuration) -> str:
    return "" if config.stepwise else "it runs eagerly past a byte of steps, where Python knows all sizes"


def _one_document_a_row(case: Case) -> str:
    return "" if is_packed(case) else "no row of the case holds two documents"


def _no_documents(config: Configuration) -> str:
    return "" if SEGMENTS in config.inputs else "a row is one sequence"


CONTRACTS: dict[str, Contract] = {
    contract.name: contract
    for contract in (
        Contract(
            "matches_reference",
            "outputs and gradients are within the noise floor of the float64 reference",
            abbreviation="ref",
            against="the reference",
            otherwise="differs from the reference",
            judge=judges.matches_reference,
            lengths=DESIGNED_TOO,
            narrow=True,
        ),
        Contract(
            "frameworks_agree",
            "PyTorch and TensorFlow are within the noise floor of each other",
            abbreviation="agree",
            against="the other framework",
            otherwise="differs from the other framework",
            judge=judges.frameworks_agree,
            lengths=EVERY,
            both_frameworks=True,
            echoes="matches_reference",
        ),
        Contract(
            "ignores_padding",
            "with 1e3, inf, NaN and other ids in the padding of inputs and cotangents, every bit stays the same",
            abbreviation="fill",
            against="what it is with other padding",
            otherwise="reads padding",
            judge=judges.ignores_padding,
            reruns=True,
            lengths=(*FIRST, "one_sequence", "all_empty", *DESIGNED),
            unless=_no_padding,
            unless_config=attrgetter("reads_padding"),
            narrow=True,
        ),
        Contract(
            "ignores_extra_padding",
            "with more steps of padding, real steps stay within the noise floor and the rest is exactly 0",
            abbreviation="longer",
            against="what it is with less padding",
            otherwise="depends on how much padding there is",
            judge=judges.ignores_extra_padding,
            lengths=(*FIRST, *DESIGNED),
            reruns=True,
        ),
        Contract(
            "independent_of_batchmates",
            "each sequence alone and unpadded gives its row, and gradients of parameters add up",
            abbreviation="alone",
            against="what it is alone",
            otherwise="depends on batch-mates",
            judge=judges.independent_of_batchmates,
            reruns=True,
            unless=_no_sequence,
            unless_config=attrgetter("coupling"),
        ),
        Contract(
            "follows_permutation",
            "a batch in another order gives its rows in that order",
            abbreviation="order",
            against="what it is in the other order",
            otherwise="depends on the order of the batch",
            judge=judges.follows_permutation,
            reruns=True,
        ),
        Contract(
            "same_however_split",
            "the same sequences split into another number of batches give the same values and gradients",
            abbreviation="split",
            against="what it is with another number of batches",
            otherwise="depends on how sequences are split into batches",
            judge=judges.same_however_split,
            lengths=(*FIRST, *DESIGNED),
            reruns=True,
            unless=_no_sequence,
            unless_config=attrgetter("in_one_batch"),
        ),
        Contract(
            "skips_holes",
            "a hole of a mask is as if the step were not there, and what it holds changes no bit",
            abbreviation="holes",
            against="what it is without the holes",
            otherwise="does not skip the holes of a mask",
            judge=judges.skips_holes,
            lengths=(*FIRST, *DESIGNED),
            reruns=True,
            unless=_no_holes,
            unless_config=attrgetter("without_mask"),
        ),
        Contract(
            "zero_gradient_at_padding",
            "outputs and gradients on padding are exactly 0, the pad row of an embedding included",
            abbreviation="zero",
            against="zero",
            otherwise="is not zero on padding",
            judge=judges.zero_gradient_at_padding,
            lengths=DESIGNED_TOO,
            unless=_nothing_on_padding,
            narrow=True,
        ),
        Contract(
            "accepts_empty_sequences",
            "a sequence of length 0 gives zeros and keeps its initial state; no real step at all gives loss 0",
            abbreviation="empty",
            against="zero, or the initial state",
            otherwise="gives no zeros, or not the initial state, for empty sequences",
            judge=judges.accepts_empty_sequences,
            lengths=DESIGNED_TOO,
            unless=_no_empty,
            narrow=True,
        ),
        Contract(
            "repeatable",
            "twice the same run gives the same bits, and inputs are not modified",
            abbreviation="twice",
            against="the first run",
            otherwise="differs from run to run",
            judge=judges.repeatable,
            reruns=True,
        ),
        Contract(
            "same_when_packed",
            "documents that share a row give what each gives in a row of its own, and so do gradients of parameters",
            abbreviation="packed",
            against="what it is with each document in a row of its own",
            otherwise="depends on the other documents in a row",
            judge=judges.same_when_packed,
            lengths=(*FIRST, *DESIGNED),
            reruns=True,
            unless=_one_document_a_row,
            unless_config=_no_documents,
        ),
        Contract(
            "propagates_nan",
            "NaN and inf on a real step come through wherever the reference has them, and reach no other sequence",
            abbreviation="nan",
            against="what the reference makes of NaN and inf",
            otherwise="hides NaN or inf of real steps, or lets them reach other sequences",
            judge=poison.propagates_nan,
            lengths=(*ONCE, COINCIDING, *PAST_A_BYTE),
            reruns=True,
            once=True,
            unless=_no_real_step,
            unless_config=attrgetter("without_floats"),
        ),
        Contract(
            "no_side_effects",
            "inputs, random generators, default dtypes, threads, warnings and other settings stay as they are",
            abbreviation="effect",
            against="what they were before the run",
            otherwise="writes to its inputs, or changes settings of the process",
            judge=effects.no_side_effects,
            lengths=OF_EVERY_SIZE,
        ),
        Contract(
            "independent_of_earlier_calls",
            "after batches of other sizes and dtypes, which are right too, every bit stays the same",
            abbreviation="calls",
            against="what it is before other calls",
            otherwise="depends on earlier calls",
            judge=effects.independent_of_earlier_calls,
            lengths=ONCE,
            reruns=True,
            once=True,
            unless=_no_sequence,
        ),
        Contract(
            "second_derivatives",
            "products with the Hessian are within the noise floor of the reference, or asking for them raises",
            abbreviation="second",
            against="the reference",
            otherwise="has wrong second derivatives",
            judge=effects.second_derivatives,
            lengths=(*ONCE, SQUARE),
            reruns=True,
            once=True,
            of_variants=True,
            unless=_no_real_step,
            unless_config=attrgetter("first_derivatives_only"),
            eager_only=True,
        ),
        Contract(
            "same_in_every_mode",
            "graph mode is within the noise floor of eager",
            abbreviation="modes",
            against="eager mode",
            otherwise="differs in graph mode",
            judge=judges.same_in_every_mode,
            lengths=(*EVERY, *OF_OPTIONS),
            from_mode=1,
        ),
        Contract(
            "same_for_known_sizes",
            "a graph traced for one batch past a byte of steps, whose sizes Python knows, is right too",
            abbreviation="sizes",
            against="the reference",
            otherwise="is wrong in a graph for known sizes",
            judge=effects.same_for_known_sizes,
            lengths=("long",),
            unless_config=_not_stepwise,
            from_mode=1,
            reruns=True,
            once=True,
            of_variants=True,
        ),
        Contract(
            "same_when_compiled",
            "compiled by XLA or torch.compile, it is within the noise floor of eager",
            abbreviation="jit",
            against="eager mode",
            otherwise="differs when compiled",
            judge=judges.same_in_every_mode,
            compiled=True,
        ),
        Contract(
            "same_on_either_side",
            "padded on the right in place of the left, outputs on real steps and gradients stay within the noise floor",
            abbreviation="side",
            against="what it is with the padding on the right",
            otherwise="depends on the side of the padding",
            judge=judges.same_on_either_side,
            lengths=(*FIRST, *DESIGNED),
            reruns=True,
            unless=_one_side,
            unless_config=_no_side,
        ),
        Contract(
            "same_when_exported",
            "exported by torch.export or tf.saved_model, saved and loaded, it is within the noise floor of eager",
            abbreviation="export",
            against="eager mode",
            otherwise="differs when exported",
            judge=judges.same_in_every_mode,
            lengths=(*FIRST, "one_long"),  # a number of steps that the first batch has may be in what was exported
            exported=True,
        ),
        Contract(
            "agrees_with_recording",
            "it is within the noise floor of what was recorded of it elsewhere, or earlier",
            abbreviation="record",
            against="what was recorded",
            otherwise="differs from the recording",
            judge=judges.agrees_with_recording,
            lengths=EVERY,
            narrow=True,
            recorded=True,
        ),
        Contract(
            "trains_alike",
            "after every step of training, losses and weights are within the noise floor carried through training",
            abbreviation="trains",
            against="the reference",
            otherwise="trains differently",
            trained=True,
        ),
    )
}


def is_echo(contract: str) -> bool:
    """Tell whether another contract fails wherever this one does."""
    return contract in CONTRACTS and bool(CONTRACTS[contract].echoes)
