"""Change one place of a framework's own source as people get it wrong, and load the function that results."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from itertools import accumulate
from types import ModuleType
from typing import Any

from parity.mutants.reaching import name_of
from parity.operations import find

Function = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Mutant:
    """A small wrong change of one variant in one framework.

    Attributes:
        name: "topic.mutant", unique.
        operation: the row of `parity.OPERATIONS` on which it is run.
        subject: "framework.variant".
        mistake: what people get wrong, in a sentence.
        location: "file.function" in the framework's folder, e.g. ``"rnn.packed"``.
        before: text that stands there exactly once.
        after: the text that replaces it.
        killed_by: the contract that must kill it; others may too.
        optimiser: where the mutant is in ``optimiser.py``, which of `training.OPTIMISERS` shows it; empty elsewhere.
        steps: after how many steps of training it shows.
    """

    name: str
    operation: str
    subject: str
    mistake: str
    location: str
    before: str
    after: str
    killed_by: str
    optimiser: str = ""
    steps: int = 3

    @property
    def framework(self) -> str:
        return self.subject.partition(".")[0]

    @property
    def variant(self) -> str:
        return self.subject.partition(".")[2]

    @property
    def file(self) -> str:
        return self.location.partition(".")[0]

    @property
    def function(self) -> str:
        return self.location.partition(".")[2]

    def mutated(self, source: str) -> str:
        """Return the file's source with the change made.

        Raises:
            LookupError: the text to change does not stand there exactly once; the message says so.
        """
        start, end = _extent(source, self.function)
        count = source[start:end].count(self.before)
        if count != 1:
            raise LookupError(
                f"{self.before!r} stands {count} times in {self.function} of {self.framework}/{self.file}.py, "
                f"and it has to stand there once: mend {self.name} in parity.mutants"
            )
        return source[:start] + source[start:end].replace(self.before, self.after) + source[end:]


def _extent(source: str, name: str) -> tuple[int, int]:
    """Return where a function or class of a module, or what is assigned to a name, begins and ends.

    >>> [_extent("x = 1; def f(): return x".replace("; ", chr(10)), name) for name in "xf"]
    [(0, 6), (6, 23)]
    """
    ends = list(accumulate(map(len, source.splitlines(keepends=True)), initial=0))
    for node in ast.parse(source).body:
        if name_of(node) == name:
            return ends[node.lineno - 1], ends[node.end_lineno or node.lineno]
    return 0, 0


def mutated_function(mutant: Mutant) -> Function:
    """Return the function of the mutant's operation, from the mutated sources of the framework.

    Raises:
        LookupError: the text to change is not there, or not once.
    """
    row = find(mutant.operation)
    with mutated_framework(mutant, row.topic) as topic:
        return getattr(topic, row.function)  # type: ignore[no-any-return]


@contextmanager
def mutated_framework(mutant: Mutant, topic: str) -> Iterator[ModuleType]:
    """Yield a module of the framework that imports, directly or not, the changed file.

    The framework's files are loaded a second time, around the changed one, and removed again; whoever imports one
    meanwhile gets the second. ``runtime`` is not loaded again: it runs them.
    """
    package = import_module(f"parity.{mutant.framework}")
    prefix = f"{package.__name__}."
    kept = {name: module for name, module in sys.modules.items() if name.startswith(prefix)}
    try:
        for name in kept:
            if name != f"{prefix}runtime":
                del sys.modules[name]
                vars(package).pop(name.removeprefix(prefix), None)
        _load_changed(mutant, package)
        yield import_module(prefix + topic)
    finally:
        for name in [name for name in sys.modules if name.startswith(prefix)]:
            del sys.modules[name]
            vars(package).pop(name.removeprefix(prefix), None)
        for name, module in kept.items():
            sys.modules[name] = module
            setattr(package, name.removeprefix(prefix), module)


def _load_changed(mutant: Mutant, package: ModuleType) -> None:
    name = f"{package.__name__}.{mutant.file}"
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no {mutant.framework}/{mutant.file}.py: mend {mutant.name} in parity.mutants")
    source = (files(package) / f"{mutant.file}.py").read_text(encoding="utf-8")  # which may be in a zip file
    module = module_from_spec(spec)
    sys.modules[name] = module
    setattr(package, mutant.file, module)
    exec(compile(mutant.mutated(source), spec.origin, "exec"), vars(module))
