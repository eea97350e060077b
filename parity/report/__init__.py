"""Findings -> report.json, which is the record, and report.md and index.html, which are views of it.

>>> from parity import report
>>> nothing = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
>>> report.verdict(nothing), report.failed(nothing)
('nothing was compared, which is a failure (0 known refusals, 0 skipped)', True)
"""

from __future__ import annotations

from parity.report.files import FOLDER, writable, write
from parity.report.record import current, failed, record, verdict

__all__ = ["FOLDER", "current", "failed", "record", "verdict", "writable", "write"]
