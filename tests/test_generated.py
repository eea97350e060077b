"""Any batch at all: hypothesis looks for lengths, parameters and padding on which some variant breaks a contract.

A failure is shrunk, and prints the command that shows it again. The default profile always samples the same cases; more
of them, and others: ``pytest tests/test_generated.py --hypothesis-profile=deep``.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from parity import frameworks
from parity.arrays import FLOATS
from parity.cases.lengths import LengthsSpec
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import explain
from parity.operations import OPERATIONS

SUBJECTS = [
    (row.name, config.name, framework, variant)
    for row in OPERATIONS.values()
    for config in row.configurations
    if not config.data  # real sentences come as they are
    for framework in frameworks.FRAMEWORKS
    for variant in row.variants[framework]
]
FILLS = (None, 0.0, -0.0, 1e3, 1e30, float("inf"), float("-inf"), float("nan"))


@st.composite
def batches(draw: st.DrawFn, largest: float = 30.0) -> str:
    """Up to 6 sequences of up to 12 steps, parameters from tiny to saturating, anything in the padding."""
    steps = draw(st.integers(1, 12))
    lengths = tuple(draw(st.lists(st.integers(0, steps), max_size=6)))
    scale = float(f"{draw(st.sampled_from((1.0, 0.001, largest)) | st.floats(0.001, largest)):.2g}")
    return str(LengthsSpec(len(lengths), steps, lengths, scale, draw(st.sampled_from(FILLS))))


@st.composite
def checks(draw: st.DrawFn) -> Check:
    """One variant, one contract, one batch. Eagerly: what a graph of it gives is compared in the matrix."""
    operation, config, framework, variant = draw(st.sampled_from(SUBJECTS))
    dtype = draw(st.sampled_from(FLOATS))
    kept = [one for one in CONTRACTS.values() if one.tried_in(dtype) and "eager" in one.modes(framework, dtype)]
    kept = [one for one in kept if not one.recorded]
    contract = draw(
        st.sampled_from(
            [one.name for one in kept if not one.unless_config(OPERATIONS[operation].configuration(config))]
        )
    )
    lengths = draw(batches(1.0 if dtype == "float16" else 30.0))  # its largest number is 65504
    return Check(
        operation,
        framework,
        variant,
        dtype,
        contract,
        draw(st.integers(0, 99)),
        config=config,
        lengths=lengths,
        mode="eager",
    )


# An infinite cotangent on padding, times an output that is 0 there, is NaN in the reference, on its way to nowhere.
MERGED = Check("bidirectional.merged", "pytorch", "packed", "float32", "matches_reference", config="mul")
CLIPPED = Check("embedding.clipped_by_norm", "pytorch", "clamp", "float32", "matches_reference", config="pad_is_0")


@example(replace(MERGED, lengths="0,1:1~inf", mode="eager"))
@example(replace(CLIPPED, lengths="0:1~inf", mode="eager"))
@given(checks())
def test_any_batch_keeps_every_contract(check: Check) -> None:
    found = explain(check.run())
    assert not found, found


def test_a_failure_is_shrunk_and_says_how_to_see_it_again(pytorch: str) -> None:
    """The control: a function that is right unless some sequence is longer than two steps."""
    from hypothesis import find, settings

    from parity.pytorch.bidirectional import reverse_sequence

    def short_sighted(x, lengths):  # type: ignore[no-untyped-def]
        return reverse_sequence(x, lengths.clamp(max=2))

    def wrong(lengths: str) -> bool:
        check = Check(
            "bidirectional.reverse_sequence",
            "pytorch",
            "short_sighted",
            "float32",
            "matches_reference",
            lengths=lengths,
            function=short_sighted,
        )
        return bool(explain(check.run()))

    assert find(batches(), wrong, settings=settings(derandomize=True, database=None)) == "3:3"
