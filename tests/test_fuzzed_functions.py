"""Check functions that are wrong in any way: each gives results in words, and leaves the caller's settings alone."""

from __future__ import annotations

import asyncio
import enum
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given

from parity import check_function, frameworks
from parity.checks.result import FAILED, PASSED
from tests.strategies import ANYTHING, TEXT, rejected_in_one_sentence
from tests.test_callers_state import OTHERS, settings_of, state_of

pytestmark = pytest.mark.filterwarnings("ignore")  # odd tensors make frameworks warn
OPERATION = "bidirectional.reverse_sequence"
INSTALLED = [framework for framework in frameworks.FRAMEWORKS if not frameworks.missing(framework)]


class AnswersAll:
    """An object that has every attribute."""

    def __getattr__(self, name: str) -> Any:
        return AnswersAll()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return AnswersAll()


class RaisesAlways:
    """An object that can be asked for nothing."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("\ud800 no attributes")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __repr__

    def __hash__(self) -> int:
        return 0


class Broken(Mapping[Any, Any]):
    """A mapping that ends in an error."""

    def __init__(self, items: dict[Any, Any]) -> None:
        self.items_ = items

    def __len__(self) -> int:
        return len(self.items_)

    def __iter__(self) -> Iterator[Any]:
        yield from self.items_
        raise LookupError("half-way")

    def __getitem__(self, name: Any) -> Any:
        return self.items_[name]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


class Wordy(Exception):
    def __str__(self) -> Any:
        return 3


class Exits(BaseException):
    def __str__(self) -> str:
        raise SystemExit(0)


ODD_DEFAULTS = [RaisesAlways()]
ERRORS: list[BaseException] = [
    *(Mute(), Wordy(), Exception(RaisesAlways()), ValueError("\ud800\x1b[31m\n" * 9), KeyError(b"\xff")),
    *(SystemExit(0), SystemExit(RaisesAlways()), StopIteration(3), RecursionError(), MemoryError(), OSError(2)),
    ExceptionGroup("\n", [ValueError("x"), Mute()]),
    *(Exits(), pytest.fail.Exception("x"), asyncio.CancelledError(), BaseExceptionGroup("\n", [SystemExit(), Exits()])),
]
TENSORS: dict[str, Callable[[Any, Any], Any]] = {  # from a library and a right result
    "right": lambda _, y: y,
    "constant": lambda library, y: library.zeros_like(y),
    "whole": lambda library, y: y.long() if library.__name__ == "torch" else library.cast(y, "int64"),
    "true or false": lambda _, y: y > 0,
    "complex": lambda library, y: y + 0j if library.__name__ == "torch" else library.complex(y, y),
    "wide": lambda library, y: y.double() if library.__name__ == "torch" else library.cast(y, "float64"),
    "narrow": lambda library, y: y.half() if library.__name__ == "torch" else library.cast(y, "float16"),
    "bfloat16": lambda library, y: y.bfloat16() if library.__name__ == "torch" else library.cast(y, "bfloat16"),
    "empty": lambda _, y: y[:, :0],
    "longer": lambda library, y: y[None],
    "number": lambda _, y: y[0, 0, 0],
    "NaN": lambda _, y: y * float("nan"),
    "infinite": lambda _, y: y / 0,
    "huge": lambda library, y: y[:1, :1, :1].expand(2**20, 2**20, 2) if library.__name__ == "torch" else y,
    "sparse": lambda library, y: y.to_sparse() if library.__name__ == "torch" else library.sparse.from_dense(y),
    "sparse in rows": lambda library, y: y[0].to_sparse_csr() if library.__name__ == "torch" else y,
    "elsewhere": lambda library, y: y.to("meta") if library.__name__ == "torch" else y,
    "nested": lambda library, y: (
        library.nested.nested_tensor([y[0]])
        if library.__name__ == "torch"
        else library.RaggedTensor.from_row_lengths(y[0], [1, 2])
    ),
    "text": lambda library, y: "y" if library.__name__ == "torch" else library.constant("y"),
    "variable": lambda library, y: library.nn.Parameter(y) if library.__name__ == "torch" else library.Variable(y),
    "array": lambda _, y: np.zeros(y.shape),
    "rows": lambda _, y: [list(row) for row in y],
    "answers all": lambda _, y: AnswersAll(),
    "raises always": lambda _, y: RaisesAlways(),
}
SHAPES: dict[str, Callable[[dict[Any, Any]], Any]] = {  # of what a function returns
    "dict": dict,
    "mapping": UserDict,
    "broken mapping": Broken,
    "values": lambda named: list(named.values()),
    "generator": lambda named: (value for value in named.values()),
    "nothing": lambda named: None,
    "class": lambda named: type("Outputs", (), {}),
}
ACTIONS: dict[str, Callable[[Any, Any], Any]] = {  # with the inputs, before it returns
    "nothing": lambda x, lengths: None,
    "writes to x": lambda x, lengths: x.data.zero_(),
    "writes to lengths": lambda x, lengths: lengths.zero_(),
    "detaches": lambda x, lengths: x.requires_grad_(False),
    "resizes": lambda x, lengths: x.data.resize_(1, 1, 1),
    "lets NumPy raise": lambda x, lengths: np.seterr(all="raise"),
    "recurses": lambda x, lengths: ACTIONS["recurses"](x, lengths),
    "checks itself": lambda x, lengths: check_function(OPERATION, lambda x, lengths: None, "pytorch", lengths="1:1"),
}


class Kind(enum.Enum):
    """Something to call."""

    FUNCTION = enum.auto()
    PARTIAL = enum.auto()
    OBJECT = enum.auto()
    METHOD = enum.auto()
    CLASS = enum.auto()
    KEYWORDS = enum.auto()
    POSITIONAL = enum.auto()
    OTHER_ARGUMENTS = enum.auto()
    GENERATOR = enum.auto()
    BUILT_IN = enum.auto()
    ANSWERS_ALL = enum.auto()
    NAMED = enum.auto()


class Odd:
    """A callable object that can neither be compared, hashed, shown nor tested."""

    def __init__(self, function: Callable[..., Any], attributes: dict[str, Any]) -> None:
        self.function = function
        vars(self).update(attributes)

    def __call__(self, x: Any, lengths: Any) -> Any:
        return self.function(x, lengths)

    def method(self, x: Any, lengths: Any) -> Any:
        return self.function(x, lengths)

    def _refuse(self, *_: Any) -> Any:
        raise ValueError("ambiguous")

    __eq__ = __hash__ = __bool__ = __len__ = __repr__ = __str__ = _refuse  # type: ignore[assignment]


NAMES = TEXT | st.just("y" * 9999) | st.integers() | st.none()
ATTRIBUTES = st.dictionaries(st.sampled_from(["__name__", "__signature__", "__wrapped__", "__doc__"]), ANYTHING)


@st.composite
def functions(draw: Any, framework: str) -> Callable[..., Any]:
    """Generate a callable that computes something like the operation, or does something else."""
    library = import_module("torch" if framework == "pytorch" else "tensorflow")
    right = import_module(f"parity.{framework}.bidirectional").reverse_sequence
    tensor = TENSORS[draw(st.sampled_from(list(TENSORS)))]
    names = draw(st.sampled_from([["y"]] * 9 + [[]]) | st.lists(NAMES, max_size=3))
    shape = SHAPES[draw(st.sampled_from(["dict"] * 20 + list(SHAPES)))]
    action = ACTIONS[draw(st.sampled_from(["nothing"] * 20 + list(ACTIONS)))]
    error = draw(st.sampled_from([None] * 40 + ERRORS))
    changed = draw(st.none() | st.sampled_from(list(OTHERS[framework])))

    def function(x: Any, lengths: Any) -> Any:
        if changed:
            value = OTHERS[framework][changed](import_module("torch" if framework == "pytorch" else "keras"))
            settings_of(framework)[changed][1](value)
        action(x, lengths)
        if error:
            raise error.with_traceback(None)  # an exception keeps all frames that it has passed through
        return shape({name: tensor(library, right(x, lengths)["y"]) for name in names})

    kind = draw(st.sampled_from([Kind.FUNCTION] * 8 + list(Kind)))
    return as_kind(kind, function, draw(ATTRIBUTES))


def as_kind(kind: Kind, function: Callable[..., Any], attributes: dict[str, Any]) -> Any:
    def generator(x: Any, lengths: Any) -> Iterator[Any]:
        yield function(x, lengths)

    class Class:
        def __init__(self, x: Any, lengths: Any) -> None:
            function(x, lengths)

    kinds: dict[Kind, Callable[[], Any]] = {
        Kind.FUNCTION: lambda: function,
        Kind.PARTIAL: lambda: partial(function),
        Kind.OBJECT: lambda: Odd(function, attributes),
        Kind.METHOD: lambda: Odd(function, attributes).method,
        Kind.CLASS: lambda: Class,
        Kind.KEYWORDS: lambda: lambda **named: function(**named),
        Kind.POSITIONAL: lambda: lambda *x: function(*x),
        Kind.OTHER_ARGUMENTS: lambda: lambda x, mask=ODD_DEFAULTS[0]: function(x, mask),
        Kind.GENERATOR: lambda: generator,
        Kind.BUILT_IN: lambda: min,
        Kind.ANSWERS_ALL: AnswersAll,
        Kind.NAMED: lambda: type(str(attributes)[:99].replace("\0", ""), (Odd,), {})(function, attributes),
    }
    return kinds[kind]()


@given(st.data())
def test_any_function_gives_results_in_words_and_leaves_the_settings_alone(data: st.DataObject) -> None:
    framework = data.draw(st.sampled_from(INSTALLED))
    function = data.draw(functions(framework))
    contract = data.draw(st.sampled_from(["matches_reference", "repeatable", "ignores_padding"]))
    lengths = data.draw(st.sampled_from(["2,1:3", "0:1"]))
    before = state_of(framework)
    with rejected_in_one_sentence():
        verdict = check_function(OPERATION, function, framework, contracts=[contract], lengths=lengths, mode="eager")
        assert {result.status for result in verdict.results} <= {PASSED, FAILED}
        assert str(verdict).replace("\n", " ").isprintable()
        assert len(str(verdict).splitlines()) <= 12
        assert b'"status"' in msgspec.json.encode(verdict) or not verdict.results
    assert state_of(framework) == before
