"""Find the class at fault, of labels or of words: where all that differs is of one class, and others are right."""

from __future__ import annotations

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.cases.sampling import with_lengths
from parity.checks.noise import LARGEST_ELEMENT, Floor
from parity.checks.subject import Subject
from parity.errors import INTERRUPTS
from parity.frameworks.observation import Observation

LENGTHS = np.full(6, 12)  # of sequences in which each of a few classes occurs several times
FEWEST = 3  # classes: of two, one is the rest of the other


def class_at_fault(subject: Subject, case: Case) -> str:
    """Say which class is at fault, in words that begin with a comma; return nothing where none is, or several are.

    It is looked for in a batch with more steps, where each class occurs on several.
    """
    if not any(axes.endswith("C") for axes in case.axes.values()):
        return ""
    try:
        batch = with_lengths(case.operation, case.config, LENGTHS, case.dtype, max(0, case.seed))
        batch = batch.keeping(case.cotangents)
        batch = batch if case.differentiated else batch.forward_only()
        return _in_words(batch, subject.observe_again(batch), subject.floor(batch))
    except INTERRUPTS:
        raise
    except BaseException:  # whatever a variant raises on another batch, the verdict stands
        return ""


def _in_words(case: Case, observed: Observation, reference: Floor) -> str:
    for name, axes in case.axes.items():
        expected = reference.expected[name]
        if not axes.endswith("C") or expected.shape[-1] < FEWEST or observed[name].shape != expected.shape:
            continue
        found = observed[name]
        wrong = np.logical_not(np.abs(found - expected) <= LARGEST_ELEMENT * reference.floor[name])
        if not wrong.any():
            continue
        columns = np.flatnonzero(wrong.reshape(-1, wrong.shape[-1]).any(0))
        if len(columns) == 1:
            return f", in class {columns[0]} only"
        if axes == "BTC" and "targets" in case.arrays:
            lost, differs = ~np.any(found, -1) & np.any(expected, -1), np.asarray(np.any(wrong, -1))
            targets = case.arrays["targets"]
            for places, words in ((lost, "has no gradient"), (differs, "differs")):
                if (only := _target_of(places[case.mask], targets[case.mask])) is not None:
                    return f": only what has class {only} as its target {words}"
    return ""


def _target_of(places: Array, targets: Array) -> int | None:
    """Return the class that is the target at all of these places and at no others; None if there is none."""
    classes = np.unique(targets[places])
    if len(classes) != 1 or (targets[~places] == classes[0]).any() or places.all():
        return None
    return int(classes[0])
