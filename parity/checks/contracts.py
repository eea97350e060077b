"""The contracts: what correct padding promises.

A contract moves a case, and the observation must follow. It looks at one subject (a variant in a mode) and gives a
`Difference` for each quantity. A contract that does not apply to a case says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from parity import frameworks
from parity.arrays import DTYPES, Array
from parity.cases.case import Case, with_steps
from parity.cases.lengths import ASKED_FOR, LENGTHS, REAL
from parity.checks.comparison import Difference, compare, mismatch
from parity.checks.noise import noise_floor
from parity.frameworks.observation import Observation
from parity.frameworks.recording import Recording
from parity.operations import Configuration, Input

FIRST = (next(iter(LENGTHS)), next(iter(REAL)))
EVERY = (*LENGTHS, *ASKED_FOR, *REAL)

FILLS = (1e3, -1e3, np.inf, -np.inf, np.nan)


@dataclass(frozen=True)
class Subject:
    """One variant in one mode: the thing that is held to a contract.

    Attributes:
        call: what stands in for the framework's own function: a user's, or one with a mutant.
        device: where it runs.
        recording: what was observed elsewhere, if it is held to that.
    """

    framework: str
    variant: str
    mode: str
    call: frameworks.Call | None = None
    device: frameworks.DeviceSettings = frameworks.CPU
    recording: Recording | None = None

    def observe(self, case: Case) -> Observation:
        """Run it, or remember an earlier run of the same case."""
        return frameworks.cached_run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def observe_again(self, case: Case) -> Observation:
        """Run it anew."""
        return frameworks.run(case, self.framework, self._call(case), self.variant, self.mode, self.device)

    def _call(self, case: Case) -> frameworks.Call:
        return self.call or frameworks.call(case.row, case.config, self.framework, self.variant)


Judge = Callable[[Subject, Case], list[Difference]]


@dataclass(frozen=True)
class Contract:
    """A promise.

    Attributes:
        name: as in ids and reports.
        promise: one sentence.
        judge: holds a subject to it on a case.
        lengths: in which lengths it is tried: moving a case costs a run, looking at one that ran is free.
        unless: why it does not apply to a case; empty when it does.
        unless_config: why a configuration does not promise it; empty when it does.
        both_frameworks: whether it needs the other framework too.
        from_mode: the first mode it makes sense in: 0 eager, 1 the others.
        compiled: whether it is about compiled modes; those take long, and are tried in a full run only.
        narrow: whether a full run tries it in narrow dtypes too.
        recorded: whether it is about a recording, which was made eagerly; it is tried where one is replayed.
    """

    name: str
    promise: str
    judge: Judge
    lengths: tuple[str, ...] = FIRST
    unless: Callable[[Case], str] = lambda _: ""
    unless_config: Callable[[Configuration], str] = lambda _: ""
    both_frameworks: bool = False
    from_mode: int = 0
    compiled: bool = False
    narrow: bool = False
    recorded: bool = False

    def modes(self, framework: str, dtype: str, full: bool = False) -> tuple[str, ...]:
        """The modes of a framework in which it is tried.

        Tracing takes most of the time, and a graph is traced alike for every dtype: float32 stands for all of them,
        except in a full run, where float64 is traced too.
        """
        if self.compiled:
            return frameworks.COMPILED[framework]
        traced = (dtype == "float32" or (full and dtype in DTYPES)) and not self.recorded
        return frameworks.MODES[framework][self.from_mode : None if traced else 1]

    def tried_in(self, dtype: str) -> bool:
        """Whether it is tried in a dtype: compiled code in the usual one, narrow dtypes where they could matter."""
        return dtype == "float32" if self.compiled else dtype in DTYPES or self.narrow


def matches_reference(subject: Subject, case: Case) -> list[Difference]:
    reference, seen = noise_floor(case), subject.observe(case)
    wrong = [
        mismatch(name, f"dtype {array.dtype}, expected {case.dtype}")
        for name, array in seen.quantities.items()
        if str(array.dtype) != case.dtype and not (name in case.configuration.discrete and array.dtype.kind in "biu")
    ]
    return wrong + compare(seen.quantities, reference.expected, reference.floor)


def frameworks_agree(subject: Subject, case: Case) -> list[Difference]:
    framework, variant = counterpart(subject.framework, case)
    if not variant:
        return []
    recording, other = (
        subject.recording,
        Subject(framework, variant, frameworks.MODES[framework][0], device=subject.device),
    )
    theirs = recording.observed(case, framework, variant) if recording else other.observe(case)
    found = compare(subject.observe(case).quantities, theirs.quantities, noise_floor(case).floor)
    return _with_recording(found, recording)


def agrees_with_recording(subject: Subject, case: Case) -> list[Difference]:
    assert subject.recording, "planned only where a recording is replayed"
    seen = subject.observe(case)  # first: what is refused here was refused there
    then = subject.recording.observed(case, subject.framework, subject.variant)
    return _with_recording(compare(seen.quantities, then.quantities, noise_floor(case).floor), subject.recording)


def _with_recording(found: list[Difference], recording: Recording | None) -> list[Difference]:
    """What failed, saying with what it was compared."""
    said = f"; compared with {recording}" if recording else ""
    return [replace(one, reason=one.reason + said) if one.failed else one for one in found]


def counterpart(framework: str, case: Case) -> tuple[str, str]:
    """The other framework and its first variant that can do all of the case; no variant when none can."""
    other = frameworks.FRAMEWORKS[1 - frameworks.FRAMEWORKS.index(framework)]
    able = (
        variant
        for variant in case.row.variants[other]
        if not case.row.expected_failure(f"{other}.{variant}", case.region, "eager", case.dtype)
        and not set(case.row.omitted(f"{other}.{variant}")) & set(case.cotangents)
    )
    return other, next(able, "")


def ignores_padding(subject: Subject, case: Case) -> list[Difference]:
    before = subject.observe(case)
    return same_bits(subject.observe_again(case.refilled(case.seed, FILLS)), before)


def same_bits(after: Observation, before: Observation) -> list[Difference]:
    """Equal to the last bit: here even the two zeros differ."""
    found = compare(after.quantities, before.quantities)
    signs = [
        mismatch(difference.quantity, "not the same bits: a zero has another sign")
        for difference in found
        if not difference.failed and after[difference.quantity].tobytes() != before[difference.quantity].tobytes()
    ]
    return signs + found


def ignores_extra_padding(subject: Subject, case: Case) -> list[Difference]:
    extra = 1
    longer = subject.observe_again(case.extended(extra))

    def grown(quantities: dict[str, Array]) -> dict[str, Array]:
        return {name: resteps(case, name, array, case.steps + extra) for name, array in quantities.items()}

    before = subject.observe(case).quantities
    return compare(longer.quantities, grown(dict(before)), grown(dict(noise_floor(case).floor)))


def resteps(case: Case, quantity: str, array: Array, steps: int) -> Array:
    """A quantity of a case with another T; what is added counts as it should be: 0."""
    return with_steps(array, Input(case.axes[quantity]), steps, case.configuration.left)


def independent_of_batchmates(subject: Subject, case: Case) -> list[Difference]:
    alone = [subject.observe_again(_without_padding(case.taken([row]))) for row in range(len(case.lengths))]

    def together(name: str, axes: str) -> Array:
        parts = [observation[name] for observation in alone]
        if "B" not in axes:
            return np.asarray(np.sum(parts, axis=0, dtype=np.float64).astype(parts[0].dtype))
        return np.concatenate([resteps(case, name, part, case.steps) for part in parts], axes.index("B"))

    observed = {name: together(name, axes) for name, axes in case.axes.items()}
    return compare(observed, subject.observe(case).quantities, noise_floor(case).floor)


def _without_padding(case: Case) -> Case:
    """A sequence as it would be run on its own: no step behind its end (one, if it is empty)."""
    return case.extended(max(1, int(case.lengths[0])) - case.steps)


def follows_permutation(subject: Subject, case: Case) -> list[Difference]:
    order = np.roll(np.arange(len(case.lengths)), 1)
    moved = subject.observe_again(case.taken(order)).quantities

    def reordered(array: Array, axes: str) -> Array:
        return np.take(array, order, axes.index("B")) if "B" in axes else array

    expected = {name: reordered(subject.observe(case)[name], axes) for name, axes in case.axes.items()}
    floor = {name: reordered(noise_floor(case).floor[name], axes) for name, axes in case.axes.items()}
    return compare(moved, expected, floor)


def zero_gradient_at_padding(subject: Subject, case: Case) -> list[Difference]:
    seen = subject.observe(case)
    padding = {f"{n} on padding": seen[n][~case.mask] for n, axes in case.axes.items() if axes.startswith("BT")}
    if case.configuration.pad_row:
        gradient = f"d_{case.configuration.pad_row}"
        padding[f"{gradient} of the pad row"] = seen[gradient][case.configuration.options["padding_index"]]
    return compare(padding, {name: np.zeros_like(array) for name, array in padding.items()})


def accepts_empty_sequences(subject: Subject, case: Case) -> list[Difference]:
    """Rows of length 0 give zeros and keep their initial state; with no real step at all, everything is zero."""
    seen = subject.observe(case)
    empty = case.lengths == 0
    observed, expected = {}, {}
    for name, axes in case.axes.items():
        if "B" not in axes and not empty.all():
            continue
        rows = np.moveaxis(seen[name], axes.index("B"), 0)[empty] if "B" in axes else seen[name]
        observed[f"{name} of empty sequences"] = rows
        expected[f"{name} of empty sequences"] = _kept(case, name, axes, empty, rows)
    return compare(observed, expected)


def _kept(case: Case, quantity: str, axes: str, empty: Array, rows: Array) -> Array:
    """What an empty sequence gives: its initial state for a final one, and the reverse for their gradients."""
    starts = case.configuration.initial
    same = {final: case.arrays[start] for final, start in starts.items() if start}
    same |= {
        f"d_{start}": case.cotangents[final]
        for final, start in starts.items()
        if start and final in case.cotangents and not case.configuration.inputs[start].buffer
    }
    if quantity in same:
        return np.moveaxis(same[quantity], axes.index("B"), 0)[empty] if "B" in axes else same[quantity]
    return np.zeros_like(rows)


def repeatable(subject: Subject, case: Case) -> list[Difference]:
    first, second = subject.observe(case), subject.observe_again(case)
    modified = first.provenance["modified_inputs"].split()
    wrong = [mismatch(f"input {name}", "modified by the run") for name in modified]
    return same_bits(second, first) + wrong


def same_in_every_mode(subject: Subject, case: Case) -> list[Difference]:
    eager = replace(subject, mode=frameworks.MODES[subject.framework][0]).observe(case)
    return compare(subject.observe(case).quantities, eager.quantities, noise_floor(case).floor)


def _couples(config: Configuration) -> str:
    return config.couples


def _reads_padding(config: Configuration) -> str:
    return config.reads_padding


def _no_sequence(case: Case) -> str:
    return "" if len(case.lengths) else "the case has no sequence"


def _no_padding(case: Case) -> str:
    return "" if (~case.mask).any() or case.configuration.pad_row else "the case has no padding"


def _no_empty(case: Case) -> str:
    return "" if (case.lengths == 0).any() else "the case has no empty sequence"


CONTRACTS: dict[str, Contract] = {
    contract.name: contract
    for contract in (
        Contract(
            "matches_reference",
            "outputs and gradients are within the noise floor of the float64 reference",
            matches_reference,
            lengths=EVERY,
            narrow=True,
        ),
        Contract(
            "frameworks_agree",
            "PyTorch and TensorFlow are within the noise floor of each other",
            frameworks_agree,
            lengths=EVERY,
            both_frameworks=True,
        ),
        Contract(
            "ignores_padding",
            "with 1e3, inf, NaN and other ids in the padding of inputs and cotangents, every bit stays the same",
            ignores_padding,
            lengths=(*FIRST, "one_sequence", "all_empty"),
            unless=_no_padding,
            unless_config=_reads_padding,
            narrow=True,
        ),
        Contract(
            "ignores_extra_padding",
            "with more steps of padding, real steps stay within the noise floor and the rest is exactly 0",
            ignores_extra_padding,
        ),
        Contract(
            "independent_of_batchmates",
            "each sequence alone and unpadded gives its row, and gradients of parameters add up",
            independent_of_batchmates,
            unless=_no_sequence,
            unless_config=_couples,
        ),
        Contract(
            "follows_permutation",
            "a batch in another order gives its rows in that order",
            follows_permutation,
        ),
        Contract(
            "zero_gradient_at_padding",
            "outputs and gradients on padding are exactly 0, the pad row of an embedding included",
            zero_gradient_at_padding,
            lengths=EVERY,
            unless=_no_padding,
            narrow=True,
        ),
        Contract(
            "accepts_empty_sequences",
            "a sequence of length 0 gives zeros and keeps its initial state; no real step at all gives loss 0",
            accepts_empty_sequences,
            lengths=EVERY,
            unless=_no_empty,
            narrow=True,
        ),
        Contract(
            "repeatable",
            "twice the same run gives the same bits, and inputs are not modified",
            repeatable,
        ),
        Contract(
            "same_in_every_mode",
            "graph mode is within the noise floor of eager",
            same_in_every_mode,
            lengths=EVERY,
            from_mode=1,
        ),
        Contract(
            "same_when_compiled",
            "compiled by XLA or torch.compile, it is within the noise floor of eager",
            same_in_every_mode,
            compiled=True,
        ),
        Contract(
            "agrees_with_recording",
            "it is within the noise floor of what was recorded of it elsewhere, or earlier",
            agrees_with_recording,
            lengths=EVERY,
            narrow=True,
            recorded=True,
        ),
    )
}
