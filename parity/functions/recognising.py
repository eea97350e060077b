"""Recognise the framework of a function, by what comes back from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from parity import frameworks
from parity.cases.case import Case
from parity.errors import INTERRUPTS, InputError, first_lines, message_of

PACKAGES = {"pytorch": "torch", "tensorflow": "tensorflow"}
ASKED = 'framework="pytorch" or framework="tensorflow"'


def framework_of(function: object, call: Callable[[str], frameworks.Call], case: Case) -> str:
    """Return the framework whose tensors a function returns if it is given some.

    A module or a layer has its class. A function is tried with the frameworks that are loaded, since it has most likely
    loaded its own; with those that are installed, if none is.

    Args:
        function: the function, module or layer.
        call: binds it in a framework.
        case: the arguments to try.

    Raises:
        InputError: it returns those of both or of neither.
    """
    by_class = [framework for framework in PACKAGES if is_module(function, framework)]
    if by_class:
        return by_class[0]
    loaded = [framework for framework, package in PACKAGES.items() if package in sys.modules]
    tried = loaded or [framework for framework, package in PACKAGES.items() if find_spec(package)]
    if len(tried) == 1:
        return tried[0]
    reasons = {framework: _fault(framework, call, case) for framework in tried}
    found = [framework for framework, reason in reasons.items() if not reason]
    if len(found) != 1:
        received = "a function that runs in both frameworks" if found else _runs_in_neither(reasons)
        raise InputError("framework", received, ASKED)
    return found[0]


def first_that_runs(call: Callable[[str], frameworks.Call], case: Case, order: Sequence[str]) -> str:
    """Return the first framework whose tensors a function returns if it is given some.

    Raises:
        InputError: it returns those of neither.
    """
    reasons = {}
    for framework in order:
        reasons[framework] = _fault(framework, call, case)
        if not reasons[framework]:
            return framework
    raise InputError("framework", _runs_in_neither(reasons), "one that runs in PyTorch or TensorFlow")


def _runs_in_neither(reasons: Mapping[str, str]) -> str:
    """Say why a function does not run in some frameworks; what it raises in all of them is said once.

    >>> _runs_in_neither({"pytorch": "it raises KeyError: 3", "tensorflow": "it raises KeyError: 3"})
    'a function that runs in neither (with tensors of pytorch or tensorflow, it raises KeyError: 3)'
    """
    by_reason: dict[str, list[str]] = {}
    for framework, reason in reasons.items():
        by_reason.setdefault(reason, []).append(framework)
    why = "; ".join(f"with tensors of {' or '.join(several)}, {reason}" for reason, several in by_reason.items())
    return f"a function that runs in neither ({why})"


def is_module(model: object, framework: str) -> bool:
    """Tell whether an object is a module of PyTorch or a layer of Keras, without loading it."""
    package, name = {"pytorch": ("torch.nn", "Module"), "tensorflow": ("keras", "Layer")}[framework]
    module = sys.modules.get(package)
    return module is not None and isinstance(model, getattr(module, name))


def _fault(framework: str, call: Callable[[str], frameworks.Call], case: Case) -> str:
    """Return why a function does not return tensors of a framework; empty if it does."""
    if reason := frameworks.missing(framework):
        return reason
    returned = []

    def watched(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        returned.append(call(framework)(arguments))
        return returned[0]

    try:
        frameworks.run(case, framework, watched, "", "eager")
    except INTERRUPTS:
        raise
    except BaseException as error:  # tensors of the other framework make a function raise anything
        return "" if returned else f"it raises {first_lines(message_of(error))}"
    return ""
