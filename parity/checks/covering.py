"""Cover every pair of a contract, a configuration, a dtype and a mode, in place of every combination.

A contract that transforms a case costs runs of its own in each dtype and mode. In a default run, such contracts take
turns over the configurations of an operation: float32 in the last mode, float64 in the first. Contracts that look at
runs that are there anyway are tried in all of them, and a full run tries every combination.
"""

from __future__ import annotations

from parity.arrays import DTYPES
from parity.checks.contracts import CONTRACTS, Contract
from parity.frameworks import MODES
from parity.operations import Configuration, Operation


def is_covering(
    contract: Contract, operation: Operation, config: Configuration, framework: str, dtype: str, mode: str
) -> bool:
    """Tell whether a default run tries a contract on a configuration in this dtype and mode.

    >>> from parity.operations import OPERATIONS
    >>> lstm = OPERATIONS["rnn.lstm"]
    >>> contract = CONTRACTS["follows_permutation"]
    >>> [is_covering(contract, lstm, config, "pytorch", "float32", "eager") for config in lstm.configurations]
    [False, True]
    """
    if not contract.reruns or dtype not in DTYPES:
        return True
    turns = [(DTYPES[0], MODES[framework][-1]), (DTYPES[1], MODES[framework][0])]
    promising = [one.name for one in operation.configurations if not contract.unless_config(one)]
    if config.name not in promising:
        return False
    if len(promising) < len(turns):  # too few for turns
        return (dtype, mode) in turns
    turn = list(CONTRACTS).index(contract.name) + promising.index(config.name)
    return (dtype, mode) == turns[turn % len(turns)]
