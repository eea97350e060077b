"""Check whether PyTorch and TensorFlow agree about padding.

Operations on variable-length sequences are implemented in both frameworks and held to one float64 reference, in outputs
and in every gradient. Public names resolve on first use; importing this module loads no framework.

>>> import parity
>>> case = parity.sample_case("rnn.lstm", "one_layer", "ragged", "float32", seed=0)
>>> parity.observe(case, "reference")["y"].shape
(4, 3, 6)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.cases.batch import Batch as Batch
    from parity.cases.case import Case as Case
    from parity.cases.sampling import sample_case as sample_case
    from parity.checks.contracts import CONTRACTS as CONTRACTS
    from parity.checks.noise import noise_floor as noise_floor
    from parity.checks.result import Result as Result
    from parity.checks.verdict import Verdict as Verdict
    from parity.errors import FrameworkUnavailable as FrameworkUnavailable
    from parity.errors import InputError as InputError
    from parity.frameworks.observation import Observation as Observation
    from parity.frameworks.running import observe as observe
    from parity.functions.checking import assert_function as assert_function
    from parity.functions.checking import check_function as check_function
    from parity.models.checking import assert_model as assert_model
    from parity.models.checking import check_model as check_model
    from parity.models.inputs import features as features
    from parity.models.inputs import labels as labels
    from parity.models.inputs import tokens as tokens
    from parity.models.sequences import batch as batch
    from parity.models.sequences import inputs as inputs
    from parity.models.sequences import lengths as lengths
    from parity.operations import OPERATIONS as OPERATIONS
    from parity.pairs.checking import assert_pair as assert_pair
    from parity.pairs.checking import check_pair as check_pair
    from parity.pairs.recording import record_model as record_model
    from parity.pairs.transfer import Transfer as Transfer
    from parity.pairs.transferring import transfer_weights as transfer_weights
    from parity.testing import function as function
    from parity.testing import model as model
    from parity.testing import pair as pair

__version__ = "0.1.0"

_MODULES = {
    "Batch": "cases.batch",
    "Case": "cases.case",
    "sample_case": "cases.sampling",
    "assert_function": "functions.checking",
    "check_function": "functions.checking",
    "CONTRACTS": "checks.contracts",
    "InputError": "errors",
    "FrameworkUnavailable": "errors",
    "Result": "checks.result",
    "noise_floor": "checks.noise",
    "assert_model": "models.checking",
    "check_model": "models.checking",
    "features": "models.inputs",
    "labels": "models.inputs",
    "tokens": "models.inputs",
    "record_model": "pairs.recording",
    "batch": "models.sequences",
    "inputs": "models.sequences",
    "lengths": "models.sequences",
    "function": "testing",
    "model": "testing",
    "Verdict": "checks.verdict",
    "assert_pair": "pairs.checking",
    "check_pair": "pairs.checking",
    "pair": "testing",
    "Transfer": "pairs.transfer",
    "transfer_weights": "pairs.transferring",
    "Observation": "frameworks.observation",
    "OPERATIONS": "operations",
    "observe": "frameworks",
}
_PACKAGES = ("bucketing", "report", "training")
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"parity.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'parity' has no attribute {name!r}; it has: {', '.join(sorted(_MODULES))}")
    return getattr(importlib.import_module(f"parity.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
