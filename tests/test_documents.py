"""Check how packed rows are sampled, how documents are unpacked, and that a function that mixes them is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import parity
from parity.cases.documents import documents, is_packed, packed_again, unpacked
from parity.cases.sampling import sample_case

LENGTHS = ("ragged", "one_long", "square", "many_steps", "long", "narrow", "9,0,12:12", "1:1")


@pytest.mark.parametrize("lengths", LENGTHS)
def test_documents_are_runs_of_ids_of_their_own(lengths: str) -> None:
    case = sample_case("documents.positions", "restarted", lengths, "float32", seed=0)
    places = documents(case)
    for row, length in enumerate(case.lengths):
        ids = [case.arrays["segments"][row, steps.start] for at, steps in places if at == row]
        assert len(set(ids)) == len(ids)
        assert sum(steps.stop - steps.start for at, steps in places if at == row) == length
        assert max(ids, default=-1) < length
        if 0 < length < case.steps:  # so that a mask by ids alone lets padding in
            assert case.arrays["segments"][row, length] == case.arrays["segments"][row, length - 1]


@pytest.mark.parametrize(("lengths", "sizes"), [("5:5", {1, 2}), ("12:12", {1, 2}), ("300:300", {1, 2, 258})])
def test_the_longest_row_has_documents_of_several_lengths(lengths: str, sizes: set[int]) -> None:
    for seed in range(5):
        case = sample_case("documents.positions", "restarted", lengths, "float32", seed)
        found = [steps.stop - steps.start for _, steps in documents(case)]
        assert sizes <= set(found)
        assert sum(size > 1 for size in found) >= 2
        assert len(found) >= 3


def test_a_byte_cannot_count_the_documents_of_some_row() -> None:
    case = sample_case("documents.positions", "restarted", "long", "float32", seed=0)
    assert sum(row == np.argmax(case.lengths) for row, _ in documents(case)) == 257


@pytest.mark.parametrize("lengths", LENGTHS)
def test_what_is_unpacked_can_be_packed_again(lengths: str) -> None:
    case = sample_case("documents.next_token_loss", "per_token", lengths, "float32", seed=0)
    apart = unpacked(case)
    assert not is_packed(apart)
    assert apart.lengths.sum() == case.lengths.sum()
    assert len(apart.lengths) == len(documents(case))
    again = packed_again(case, apart.arrays["logits"], "BTC")
    np.testing.assert_array_equal(again[case.mask], case.arrays["logits"][case.mask])
    assert not again[~case.mask].any()


def test_a_batch_without_documents_can_be_unpacked() -> None:
    case = sample_case("documents.gru", "one_layer", "all_empty", "float32", seed=0)
    assert unpacked(case).lengths.shape == (0,)


def test_a_loss_over_a_boundary_is_caught_and_named(pytorch: str) -> None:
    import torch.nn.functional as F
    from torch import Tensor

    from parity.pytorch.runtime import valid

    def over_boundaries(logits: Tensor, lengths: Tensor, segments: Tensor, tokens: Tensor, **_: Any) -> Tensor:
        known = valid(lengths, tokens.shape[1])[:, 1:]
        total = F.cross_entropy(logits[:, :-1][known], tokens[:, 1:][known], reduction="sum")
        return total / known.sum().clamp(min=1)

    verdict = parity.check_function(
        "documents.next_token_loss",
        over_boundaries,
        pytorch,
        config="per_token",
        contracts=["same_when_packed", "ignores_padding"],
    )
    assert verdict.failed == ("same_when_packed",)
    assert "documents.target_over_a_boundary" in str(verdict)
