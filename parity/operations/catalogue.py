"""List the operations by name."""

from __future__ import annotations

from parity.errors import choose
from parity.operations import (
    alignment,
    attention,
    bidirectional,
    cells,
    convolutional,
    crf,
    decoder,
    direction,
    documents,
    dropout,
    embedding,
    feedforward,
    generation,
    holes,
    loss,
    masking,
    metrics,
    model,
    normalisation,
    pooling,
    rnn,
    scans,
    statistics,
    strided,
)
from parity.operations.row import Operation

TOPICS = (
    masking,
    embedding,
    rnn,
    bidirectional,
    cells,
    direction,
    convolutional,
    pooling,
    feedforward,
    normalisation,
    statistics,
    attention,
    decoder,
    dropout,
    generation,
    documents,
    scans,
    loss,
    holes,
    alignment,
    crf,
    metrics,
    strided,
    model,
)
OPERATIONS: dict[str, Operation] = {row.name: row for topic in TOPICS for row in topic.ROWS}


def find(name: str) -> Operation:
    """Return the operation of that name.

    Raises:
        InputError: no such operation; the message names the nearest one.

    >>> find("rnn.lstm").variants["tensorflow"]
    ('masked', 'static', 'padded', 'dynamic_rnn', 'time_major', 'stepwise', 'bucketed', 'packed')
    """
    return OPERATIONS[choose("operation", name, OPERATIONS)]
