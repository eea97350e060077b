"""Sample batches with hypothesis: lengths, parameters and padding on which some variant might break a contract.

A failure is shrunk, and prints the command that reproduces it. The default profile always samples the same cases;
``pytest tests/test_generated.py --hypothesis-profile=deep`` samples more, and others each time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from parity import frameworks
from parity.arrays import FLOATS
from parity.cases.lengths import LengthsSpec
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.sentences import explain
from parity.functions.checking import check_function
from parity.operations import OPERATIONS

SUBJECTS = [
    (row.name, config.name, framework, variant)
    for row in OPERATIONS.values()
    for config in row.configurations
    if not config.data  # real sequences have lengths of their own
    for framework in frameworks.FRAMEWORKS
    for variant in row.variants[framework]
]
FILLS = (None, 0.0, -0.0, 1e3, 1e30, float("inf"), float("-inf"), float("nan"))


@st.composite
def batches(draw: st.DrawFn, largest: float = 30.0) -> str:
    """Generate up to 6 sequences of up to 12 steps, parameters from tiny to saturating, anything in the padding."""
    steps = draw(st.integers(1, 12))
    lengths = tuple(draw(st.lists(st.integers(0, steps), max_size=6)))
    scale = float(f"{draw(st.sampled_from((1.0, 0.001, largest)) | st.floats(0.001, largest)):.2g}")
    return str(LengthsSpec(len(lengths), steps, lengths, scale, draw(st.sampled_from(FILLS))))


@st.composite
def checks(draw: st.DrawFn) -> Check:
    """Generate one variant, one contract and one batch, in eager mode; the matrix compares graphs with that."""
    operation, config, framework, variant = draw(st.sampled_from(SUBJECTS))
    dtype = draw(st.sampled_from(FLOATS))
    promised = [
        contract.name
        for contract in CONTRACTS.values()
        if contract.tried_in(dtype)
        and "eager" in contract.modes(framework)
        and not contract.recorded
        and not contract.trained
        and not contract.unless_config(OPERATIONS[operation].configuration(config))
    ]
    contract = draw(st.sampled_from(promised))
    lengths = draw(batches(1.0 if dtype == "float16" else 30.0))  # its largest number is 65504
    seed = draw(st.integers(0, 99))
    return Check(operation, framework, variant, dtype, contract, seed, config=config, lengths=lengths, mode="eager")


# An infinite cotangent on padding, times an output that is 0 there, is NaN in the reference; it reaches no gradient.
MERGED = Check("bidirectional.merged", "pytorch", "packed", "float32", "matches_reference", config="mul")
CLIPPED = Check("embedding.clipped_by_norm", "pytorch", "clamp", "float32", "matches_reference", config="pad_is_0")


@example(replace(MERGED, lengths="0,1:1~inf", mode="eager"))
@example(replace(CLIPPED, lengths="0:1~inf", mode="eager"))
@given(checks())
def test_any_batch_keeps_every_contract(check: Check) -> None:
    failure = explain(check.run())
    assert not failure, failure


def test_a_failure_is_shrunk_to_the_shortest_batch(pytorch: str) -> None:
    """Check a function that is right unless some sequence is longer than two steps."""
    from hypothesis import find, settings

    from parity.pytorch.bidirectional import reverse_sequence

    def short_sighted(x, lengths):  # type: ignore[no-untyped-def]
        return reverse_sequence(x, lengths.clamp(max=2))

    def wrong(lengths: str) -> bool:
        options: dict[str, Any] = {"lengths": lengths, "contracts": ["matches_reference"]}
        return bool(check_function("bidirectional.reverse_sequence", short_sighted, "pytorch", **options).failed)

    assert find(batches(), wrong, settings=settings(derandomize=True, database=None)) == "3:3"
