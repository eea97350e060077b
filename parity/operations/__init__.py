"""The paired operations: one row each, in a file for each topic.

Ids, inputs, tests, report rows and documentation derive from them.
"""

from __future__ import annotations

from parity.errors import choose
from parity.operations import bidirectional, embedding, feedforward, loss, masking, model, pooling, rnn
from parity.operations.recurrent import GATES as GATES
from parity.operations.row import Form as Form
from parity.operations.row import Input as Input
from parity.operations.row import Operation as Operation
from parity.operations.row import Refusal as Refusal

TOPICS = (masking, embedding, rnn, bidirectional, pooling, feedforward, loss, model)
OPERATIONS: dict[str, Operation] = {row.name: row for topic in TOPICS for row in topic.ROWS}


def find(name: str) -> Operation:
    """The row of that name.

    Raises:
        InputError: no such operation; the message names the nearest.

    >>> find("rnn.lstm").variants["tensorflow"]
    ('masked', 'padded', 'dynamic_rnn', 'stepwise', 'packed', 'bucketed')
    """
    return OPERATIONS[choose("operation", name, OPERATIONS)]
