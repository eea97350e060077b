"""Judge the effects of a run, on inputs and on the settings of the process, and those of earlier calls on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.arrays import DTYPES
from parity.cases.case import Case
from parity.cases.lengths import NAMED, REAL
from parity.cases.sampling import sample_case
from parity.checks.comparison import Difference, compare, mismatch
from parity.checks.judges import same_bits
from parity.checks.noise import second_floor
from parity.checks.subject import Subject
from parity.frameworks.observation import Observation

OTHER_SIZES = "square"  # lengths whose batch has other sizes than the first ones
KNOWN_SIZES = "known sizes"  # a mode of graphs that leave no size open, as eager runs do


def no_side_effects(subject: Subject, case: Case) -> list[Difference]:
    """Compare inputs before and after a run, and the settings of the process before, inside of and after it."""
    provenance = subject.observe(case).provenance
    modified = provenance["modified_inputs"].split()
    if subject.is_own:  # PyTorch's layers update their buffers in place
        modified = [name for name in modified if name not in case.configuration.buffers]
    wrong = [mismatch(f"input {name}", "modified by the run", "other") for name in modified]
    changed = [name for name in provenance["changed_settings"].split(", ") if name]
    nothing = {"settings of the process": np.zeros(int(provenance["watched_settings"]))}
    wrong += [mismatch(name, "changed by the run", "other") for name in changed]
    return wrong or compare(nothing, nothing)


def independent_of_earlier_calls(subject: Subject, case: Case) -> list[Difference]:
    """Compare the bits with those of a run after other cases, and those cases with the reference."""
    before, found = subject.observe(case), []
    is_right = not any(one.failed for one in _against_reference(subject, case, before))
    for other in _others(subject, case):
        differences = _against_reference(subject, other, subject.observe_again(other))
        if is_right:  # else what is wrong in another batch need not come from earlier calls
            found += [replace(one, quantity=f"{one.quantity} of another batch") for one in differences]
    return same_bits(subject.observe_again(case), before) + found


def _against_reference(subject: Subject, case: Case, observed: Observation) -> list[Difference]:
    reference = subject.floor(case)
    return compare(observed.quantities, reference.expected, reference.floor)


def _others(subject: Subject, case: Case) -> Iterator[Case]:
    """Yield cases of other sizes, and of another dtype where a variant can: not in graphs, which are traced anew."""
    count = len(case.lengths)
    yield case.taken([*range(count), *range(count)][::-1]).extended(2)
    if (
        subject.is_own
        or subject.mode != "eager"
        or case.lengths_name not in (*NAMED, *REAL)
        or case.configuration.lengths
    ):
        return
    sizes = [(OTHER_SIZES, case.dtype)] if case.lengths_name != OTHER_SIZES else []
    dtypes = [(case.lengths_name, dtype) for dtype in DTYPES if dtype != case.dtype and case.dtype in DTYPES]
    for lengths, dtype in (*sizes, *dtypes):
        if case.configuration.data and lengths == OTHER_SIZES:
            continue
        other = sample_case(case.operation, case.config, lengths, dtype, case.seed).keeping(case.cotangents)
        variant = f"{subject.framework}.{subject.variant}"
        if not case.row.expected_failure(variant, other.region, subject.mode, other.dtype):
            yield other


def same_for_known_sizes(subject: Subject, case: Case) -> list[Difference]:
    """Compare the outputs of a graph that is traced for the sizes of a case, and no others, with the reference."""
    traced = replace(subject, mode=KNOWN_SIZES)
    outputs, reference = traced.observe_again(case.forward_only()).quantities, subject.floor(case)
    floor = {name: reference.floor[name] for name in case.cotangents}
    return compare(outputs, {name: reference.expected[name] for name in case.cotangents}, floor)


def second_derivatives(subject: Subject, case: Case) -> list[Difference]:
    """Compare products with the Hessian with those of the reference."""
    directions, reference = second_floor(case)
    return compare(subject.observe_second(case, directions), reference.expected, reference.floor)
