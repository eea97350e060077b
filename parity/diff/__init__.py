"""Compare two reports without running a framework, arrange the differences in sections, and render them."""

from __future__ import annotations

from parity.diff.comparison import ReportDiff as ReportDiff
from parity.diff.comparison import compare_reports as compare_reports
