"""Plot a user's own models, training and throughput, each in a section of the page with its captions and numbers."""

from __future__ import annotations

from parity.report.plots.sections import own as own
from parity.report.plots.sections import throughput as throughput
from parity.report.plots.sections import training as training
