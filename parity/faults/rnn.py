"""Faults in recurrent layers: lengths, last steps, gates, biases, initial states, layers."""

from __future__ import annotations

from parity.faults.fault import Fault

FAULTS = (
    Fault(
        name="rnn.lengths_short_by_one",
        operation="rnn.lstm",
        subject="pytorch.packed",
        what="Lengths that count from 0: the last real step is lost.",
        place="rnn.packed",
        before="pack_padded_sequence(values, lengths[rows].cpu(), ",
        after="pack_padded_sequence(values, (lengths[rows] - 1).clamp(min=1).cpu(), ",
        by="matches_reference",
    ),
    Fault(
        name="rnn.sorted_and_not_unsorted",
        operation="rnn.gru",
        subject="pytorch.packed_sorted",
        what="Rows are sorted by length for packing, and the outputs stay in that order.",
        place="rnn.packed_sorted",
        before="return y[back], [state[:, back] for state in final]",
        after="return y, [state[:, back] for state in final]",
        by="follows_permutation",
    ),
)
