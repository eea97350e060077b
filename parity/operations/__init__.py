"""The paired operations: one row each, in a file for each topic.

Ids, inputs, tests, report rows and documentation derive from them.
"""

from __future__ import annotations

from parity.errors import choose
from parity.operations import (
    alignment,
    attention,
    bidirectional,
    direction,
    embedding,
    feedforward,
    loss,
    masking,
    model,
    normalisation,
    pooling,
    rnn,
)
from parity.operations.recurrent import GATES as GATES
from parity.operations.row import Configuration as Configuration
from parity.operations.row import ExpectedFailure as ExpectedFailure
from parity.operations.row import Input as Input
from parity.operations.row import Operation as Operation

TOPICS = (
    masking,
    embedding,
    rnn,
    bidirectional,
    direction,
    pooling,
    feedforward,
    normalisation,
    attention,
    loss,
    alignment,
    model,
)
OPERATIONS: dict[str, Operation] = {row.name: row for topic in TOPICS for row in topic.ROWS}


def find(name: str) -> Operation:
    """The row of that name.

    Raises:
        InputError: no such operation; the message names the nearest.

    >>> find("rnn.lstm").variants["tensorflow"]
    ('masked', 'static', 'padded', 'dynamic_rnn', 'time_major', 'stepwise', 'packed', 'bucketed')
    """
    return OPERATIONS[choose("operation", name, OPERATIONS)]
