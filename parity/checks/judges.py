"""Judges: each holds a subject to one contract on one case, and returns a difference for each quantity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity import frameworks
from parity.arrays import A_BYTE, Array
from parity.cases.case import Case, along, with_steps
from parity.cases.documents import packed_again, unpacked
from parity.checks.comparison import Difference, compare, mismatch
from parity.checks.subject import Subject, counterpart
from parity.frameworks.observation import Observation
from parity.operations import Input

FILLS = (1e3, -1e3, np.inf, -np.inf, np.nan)


def matches_reference(subject: Subject, case: Case) -> list[Difference]:
    observed = subject.observe(case)  # first: what fails here may make all else fail
    reference = subject.floor(case)
    wrong = [
        mismatch(name, f"dtype {array.dtype}, expected {case.dtype}")
        for name, array in observed.quantities.items()
        if str(array.dtype) != case.dtype and not (name in case.configuration.discrete and array.dtype.kind in "biu")
    ]
    differences = wrong + compare(observed.quantities, reference.expected, reference.floor)
    return named(differences, subject.like.variant) if subject.like else differences


def named(differences: list[Difference], other: str) -> list[Difference]:
    """Let differences that failed name what they are compared with."""
    return [replace(one, compared_with=other) if one.failed else one for one in differences]


def frameworks_agree(subject: Subject, case: Case) -> list[Difference]:
    framework, variant = counterpart(subject.framework, case)
    return _compared_with(subject, case, framework, variant) if variant else []


def agrees_with_recording(subject: Subject, case: Case) -> list[Difference]:
    return _compared_with(subject, case, subject.framework, subject.variant)


def _compared_with(subject: Subject, case: Case, framework: str, variant: str) -> list[Difference]:
    """Compare a subject with another, which runs here or was recorded."""
    observed = subject.observe(case)  # first: what fails here may have failed there too
    other = subject.observe_other(case, framework, variant)
    differences = compare(observed.quantities, other.quantities, subject.floor(case).floor)
    return named(differences, str(subject.recording)) if subject.recording else differences


def ignores_padding(subject: Subject, case: Case) -> list[Difference]:
    before = subject.observe(case)
    return same_bits(subject.observe_again(case.refilled(case.seed, FILLS)), before)


def same_bits(after: Observation, before: Observation) -> list[Difference]:
    """Compare bits: here even the two zeros differ."""
    found = compare(after.quantities, before.quantities)
    signs = [
        mismatch(difference.quantity, "not the same bits: a zero has another sign", "other")
        for difference in found
        if not difference.failed and after[difference.quantity].tobytes() != before[difference.quantity].tobytes()
    ]
    return signs + found


def ignores_extra_padding(subject: Subject, case: Case) -> list[Difference]:
    extra = _steps_to_add(subject, case)
    longer = subject.observe_again(case.extended(extra))

    def grown(quantities: dict[str, Array]) -> dict[str, Array]:
        return {name: resteps(case, name, array, case.steps + extra) for name, array in quantities.items()}

    before = subject.observe(case).quantities
    return compare(longer.quantities, grown(dict(before)), grown(dict(subject.floor_of_itself(case))))


def _steps_to_add(subject: Subject, case: Case) -> int:
    """Return one step of padding; a byte of them to real data, which are short, unless Python runs for each step."""
    is_quick = subject.mode != "eager" or len(frameworks.MODES[subject.framework]) == 1
    return A_BYTE if case.configuration.data and is_quick else 1


def resteps(case: Case, quantity: str, array: Array, steps: int) -> Array:
    """Give a quantity another T; the steps that are added are 0, as they should be."""
    return with_steps(array, Input(case.axes[quantity]), steps, case.configuration.left)


def independent_of_batchmates(subject: Subject, case: Case) -> list[Difference]:
    """Compare a batch with what its sequences give alone, which is what is expected."""
    alone = []
    for row, length in enumerate(case.lengths):  # cut to its length; to one step, if it is empty
        alone.append(subject.observe_again(case.taken([row]).extended(max(1, int(length)) - case.steps)))

    def joined(name: str, axes: str) -> Array:
        parts = [observation[name] for observation in alone]
        if "B" not in axes:
            return np.asarray(np.sum(parts, axis=0, dtype=np.float64).astype(parts[0].dtype))
        return np.concatenate([resteps(case, name, part, case.steps) for part in parts], axes.index("B"))

    expected = {name: joined(name, axes) for name, axes in case.axes.items()}
    return compare(subject.observe(case).quantities, expected, subject.floor_of_itself(case))


def follows_permutation(subject: Subject, case: Case) -> list[Difference]:
    order = np.roll(np.arange(len(case.lengths)), 1)
    moved = subject.observe_again(case.taken(order)).quantities

    def reordered(array: Array, axes: str) -> Array:
        return np.take(array, order, axes.index("B")) if "B" in axes else array

    expected = {name: reordered(subject.observe(case)[name], axes) for name, axes in case.axes.items()}
    own = subject.floor_of_itself(case)
    floor = {name: reordered(own[name], axes) for name, axes in case.axes.items()}
    return compare(moved, expected, floor)


def same_however_split(subject: Subject, case: Case) -> list[Difference]:
    """Compare with the next configuration that differs in the number of batches only."""
    before, floor = subject.observe(case), subject.floor_of_itself(case)
    configs = case.row.configurations
    place = configs.index(case.configuration)
    for other in (*configs[place + 1 :], *configs[:place]):
        if case.configuration.splits_otherwise(other) and subject.can(other.name):
            after = subject.observe_again(replace(case, config=other.name))
            found = compare(after.quantities, before.quantities, floor)
            batches = f"with splits={other.options['splits']}"
            return [replace(one, quantity=f"{one.quantity} {batches}") for one in found]
    return []


def skips_holes(subject: Subject, case: Case) -> list[Difference]:
    """Compare with the case whose holes are taken out, and the bits with those of other values in the holes."""
    before = subject.observe(case)
    compact, order = case.without_holes()
    after, back = subject.observe_again(compact), np.argsort(order, axis=1)

    def put_back(name: str, axes: str) -> Array:
        return np.take_along_axis(after[name], along(back, after[name]), 1) if axes.startswith("BT") else after[name]

    moved = {name: put_back(name, axes) for name, axes in case.axes.items()}
    found = compare(before.quantities, moved, subject.floor_of_itself(case))
    refilled = same_bits(subject.observe_again(case.with_other_holes(case.seed, FILLS)), before)
    return found + [replace(one, quantity=f"{one.quantity} with other holes") for one in refilled]


def zero_gradient_at_padding(subject: Subject, case: Case) -> list[Difference]:
    observation = subject.observe(case)
    padding = {
        f"{name} on padding": observation[name][~case.mask] for name, axes in case.axes.items() if axes.startswith("BT")
    }
    pad_row = case.configuration.pad_row
    if pad_row and case.differentiated:
        gradient = f"d_{pad_row}"
        padding[f"{gradient} of the pad row"] = observation[gradient][case.configuration.options["padding_index"]]
    return compare(padding, {name: np.zeros_like(array) for name, array in padding.items()})


def accepts_empty_sequences(subject: Subject, case: Case) -> list[Difference]:
    """Compare rows of length 0 with zeros and their initial state; without any real step, everything with zero."""
    observation = subject.observe(case)
    empty = case.lengths == 0
    observed, expected = {}, {}
    for name, axes in case.axes.items():
        if "B" in axes:
            rows = np.moveaxis(observation[name], axes.index("B"), 0)[empty]
        elif empty.all():
            rows = observation[name]
        else:
            continue
        observed[f"{name} of empty sequences"] = rows
        expected[f"{name} of empty sequences"] = _kept(case, name, axes, empty, rows)
    return compare(observed, expected)


def _kept(case: Case, quantity: str, axes: str, empty: Array, rows: Array) -> Array:
    """Return what an empty sequence gives: its initial state as the final one, and the reverse for gradients."""
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


def same_on_either_side(subject: Subject, case: Case) -> list[Difference]:
    """Compare with the same sequences, padded on the other side, once their steps are moved back."""
    moved = case.on_the_other_side()
    if moved is None or not subject.can(moved.config):
        return []
    other = subject.observe_again(moved)
    expected = {name: moved.moved(other[name], axes) for name, axes in case.axes.items()}
    return compare(subject.observe(case).quantities, expected, subject.floor_of_itself(case))


def repeatable(subject: Subject, case: Case) -> list[Difference]:
    return same_bits(subject.observe_again(case), subject.observe(case))


def same_in_every_mode(subject: Subject, case: Case) -> list[Difference]:
    eager = replace(subject, mode=frameworks.MODES[subject.framework][0]).observe(case)
    return compare(subject.observe(case).quantities, eager.quantities, subject.floor_of_itself(case))


def same_when_packed(subject: Subject, case: Case) -> list[Difference]:
    """Compare packed rows with their documents, each of which is a row here."""
    apart = subject.observe_again(unpacked(case))
    expected = {name: packed_again(case, apart[name], axes) for name, axes in case.axes.items()}
    return compare(subject.observe(case).quantities, expected, subject.floor_of_itself(case))
