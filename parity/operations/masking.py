"""To be written."""

from __future__ import annotations

from parity.operations.row import Operation

ROWS: tuple[Operation, ...] = ()
