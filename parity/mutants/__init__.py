"""Mutants: small changes of a variant that people really make, each of which some contract must kill.

A suite that cannot fail is worse than none. Here every contract is put to the test: a mutant that survives means that a
contract or a case is missing, never that the mutant should go.
"""

from __future__ import annotations

from parity.mutants.catalogue import MUTANTS as MUTANTS
from parity.mutants.catalogue import MutantTask as MutantTask
from parity.mutants.catalogue import find as find
from parity.mutants.catalogue import plan as plan
from parity.mutants.mutant import Mutant as Mutant
from parity.mutants.run import KILLED as KILLED
from parity.mutants.run import Kill as Kill
from parity.mutants.run import MutantResult as MutantResult
from parity.mutants.run import run_mutant as run_mutant
