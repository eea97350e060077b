"""Choose the divergences that a page shows first: what is not as described, then what surprises and costs most."""

from __future__ import annotations

from collections.abc import Sequence

from parity.divergences import DIFFERS, DivergenceEntry
from parity.report.groups import group_by

MOST = 10
SURPRISING = (
    "loss.denominator",
    "rnn.nan_in_padding",
    "packing.last_output",
    "embedding.mask_zero_is_no_zero",
    "attention.polarity",
    "masking.lost_silently",
    "bidirectional.unpacked",
    "optimiser.repeated_tokens",
    "normalisation.batchnorm_on_padding",
    "alignment.ctc_blank",
)


def choose_cards(entries: Sequence[DivergenceEntry]) -> list[DivergenceEntry]:
    """Return at most `MOST` entries: stale ones, those of `SURPRISING`, then the first difference of each topic."""
    stale = [entry for entry in entries if entry.is_stale]
    by_name = {entry.name: entry for entry in entries}
    surprising = [by_name[name] for name in SURPRISING if name in by_name]
    differences = group_by((entry for entry in entries if entry.verdict == DIFFERS), lambda entry: entry.topic)
    ordered = [*stale, *surprising, *(of_topic[0] for of_topic in differences.values())]
    return list({entry.name: entry for entry in ordered}.values())[:MOST]
