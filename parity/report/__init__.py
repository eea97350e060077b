"""Report a run: build the report, write it as JSON, Markdown and a page, and read it again.

>>> from parity import report
>>> nothing = report.build([], {}, seed=0, seconds=0.0, planned=0, checked=0)
>>> report.verdict(nothing), report.failed(nothing)
('nothing was compared, which is a failure (0 expected failures, 0 skipped)', True)
"""

from __future__ import annotations

from parity.files import InUse as InUse
from parity.report.assembly import build as build
from parity.report.environment import describe_environment as describe_environment
from parity.report.environment import describe_recording as describe_recording
from parity.report.environment import versions as versions
from parity.report.model import Report as Report
from parity.report.outcome import failed as failed
from parity.report.outcome import verdict as verdict
from parity.report.storage import FOLDER as FOLDER
from parity.report.storage import add_to_report as add_to_report
from parity.report.storage import check_writable as check_writable
from parity.report.storage import claim as claim
from parity.report.storage import claim_addable as claim_addable
from parity.report.storage import read as read
from parity.report.storage import write_verdict as write_verdict
from parity.report.writing import write as write
