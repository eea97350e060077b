"""Define the paired operations: one row each, in a file for each topic.

Ids, inputs, tests, report rows and documentation are derived from them.
"""

from __future__ import annotations

from parity.operations.catalogue import OPERATIONS as OPERATIONS
from parity.operations.catalogue import find as find
from parity.operations.recurrent import GATES as GATES
from parity.operations.row import Configuration as Configuration
from parity.operations.row import ExpectedFailure as ExpectedFailure
from parity.operations.row import Input as Input
from parity.operations.row import Operation as Operation
