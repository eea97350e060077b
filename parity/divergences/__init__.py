"""Claims that run, about differences between the frameworks and beliefs about them.

An entry is naive code for each framework, the values that it gave, and what they mean. When it gives other values
today, the entry is stale and fails: a framework has changed, and that is news.
"""

from __future__ import annotations

from parity.divergences.catalogue import DIVERGENCES as DIVERGENCES
from parity.divergences.catalogue import TrialTask as TrialTask
from parity.divergences.catalogue import find as find
from parity.divergences.catalogue import plan as plan
from parity.divergences.catalogue import report_entries as report_entries
from parity.divergences.entry import DIFFERS as DIFFERS
from parity.divergences.entry import VERDICTS as VERDICTS
from parity.divergences.entry import Divergence as Divergence
from parity.divergences.entry import DivergenceEntry as DivergenceEntry
from parity.divergences.entry import Trial as Trial
from parity.divergences.entry import try_out as try_out
