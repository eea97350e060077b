"""Generate mutants by operators, in the manner of mutation testing, beside those that are written by hand.

Each changes one place of a framework's implementations: a comparison, a sign, a constant, a bound, the arguments of a
selection, a reduction, a gradient that is cut off. `conditional` ones apply a change that is written by hand where a
condition holds: above four rows, past 255 steps, where two sizes coincide. One whose change is not seen on any case
survives; where it computes the same, it is an equivalent, which `parity.mutants.equivalents` lists with the reason.

The operators are those of R. A. DeMillo, R. J. Lipton and F. G. Sayward, "Hints on test data selection", 1978, as far
as they fit functions of tensors.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from parity.errors import whole_number
from parity.frameworks import FRAMEWORKS
from parity.mutants.catalogue import MUTANTS, SECONDS
from parity.mutants.equivalents import EQUIVALENT, OF_SPEED
from parity.mutants.mutant import Mutant
from parity.mutants.reaching import Definition, definitions, places, source
from parity.mutants.run import KILLED, SURVIVED, MutantResult, mutant_result, run_generated
from parity.operations import find

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
SYMBOLS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"},
}
NAMES = {  # of functions and keywords that are taken for each other
    **{"sum": "mean", "mean": "sum", "reduce_sum": "reduce_mean", "reduce_mean": "reduce_sum"},
    **{"zeros_like": "ones_like", "ones_like": "zeros_like", "amax": "amin", "reduce_max": "reduce_min"},
    **{"min": "max", "max": "min", "maximum": "minimum", "minimum": "maximum"},
}
SELECTIONS = {"where": (1, 2)}  # the arguments that are exchanged
CUT_OFF = {"pytorch": "{}.detach()", "tensorflow": "tf.stop_gradient({})"}
CONDITIONS = {  # on what a function of an operation is given: the lengths, and its first array
    "above four rows": "(lengths.shape[0] or 0) > 4",
    "past a byte of steps": "({0}.shape[1] or 0) > 255",
    "as many rows as steps": "lengths.shape[0] == {0}.shape[1]",
    "as many steps as features": "{0}.shape[1] == {0}.shape[-1]",
    "one row": "lengths.shape[0] == 1",
}


def generate(count: int, seed: int = 0) -> list[Mutant]:
    """Return so many generated mutants, sampled from all that there are; all of them where there are fewer.

    Raises:
        InputError: a wrong number.

    >>> [mutant.mistake for mutant in generate(2, seed=1)] == [mutant.mistake for mutant in generate(2, seed=1)]
    True
    """
    whole_number("generated", count, least=1)
    every = list(_every())
    random.Random(whole_number("seed", seed)).shuffle(every)
    return every[:count]


@cache
def _every() -> tuple[Mutant, ...]:
    found: dict[tuple[str, ...], Mutant] = {}
    for mutant in (*_by_operators(), *_conditional()):
        if not _is_equivalent(mutant):
            found.setdefault((mutant.framework, mutant.location, mutant.before, mutant.after), mutant)
    return tuple(found.values())


def _is_equivalent(mutant: Mutant) -> bool:
    by_hand, _, condition = mutant.name.partition(", ")
    names = {(by_hand, condition), (mutant.location, mutant.after)}
    return mutant.file in OF_SPEED or not EQUIVALENT.keys().isdisjoint(names)


def named(name: str) -> Mutant:
    """Return the generated mutant of that name."""
    return _by_name()[name]


@cache
def _by_name() -> dict[str, Mutant]:
    return {mutant.name: mutant for mutant in _every()}


@dataclass(frozen=True)
class GeneratedTask:
    """A generated mutant to run: a task whose result is a `MutantResult`."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the operation and the framework: its mutants share cases and references."""
        return named(self.name).operation, named(self.name).framework

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""
        return SECONDS[named(self.name).framework]

    def run(self) -> list[MutantResult]:
        """Run the mutant on each operation that it may change, and report which contract kills it first."""
        mutant = named(self.name)
        for operation, variants in _subjects(mutant).items():
            result = run_generated(replace(mutant, operation=operation), variants)
            if result.status != SURVIVED:
                break
        return [result]

    def on_crash(self, reason: str) -> list[MutantResult]:
        """Report a mutant that ended the worker process as killed."""
        return [mutant_result(named(self.name), KILLED, reason)]


def _subjects(mutant: Mutant) -> dict[str, tuple[str, ...]]:
    """Return the operations and variants that reach what a mutant changes, its own operation first."""
    subjects = places(mutant.framework)[mutant.file, mutant.function]
    return {mutant.operation: subjects[mutant.operation], **subjects}


def _by_operators() -> Iterator[Mutant]:
    for framework in FRAMEWORKS:
        for (file, name), subjects in places(framework).items():
            operation, (variant, *_) = next(iter(subjects.items()))
            subject, location = f"{framework}.{variant}", f"{file}.{name}"
            edits = _edits(definitions(framework, file)[name], source(framework, file), framework)
            for number, (kind, before, after) in enumerate(edits):
                label = f"{framework}.{location}.{number}"
                yield Mutant(label, operation, subject, kind, location, before, after, killed_by="")


def _edits(definition: Definition, source: str, framework: str) -> Iterator[tuple[str, str, str]]:
    """Yield a kind, a statement and what it becomes, for statements that stand in a definition once."""
    body = _text(definition, source)
    for statement in _statements(definition):
        text = _text(statement, source)
        if body.count(text) != 1:
            continue
        for node in ast.walk(statement):
            own = _text(node, source)
            if own and text.count(own) == 1:
                for kind, changed in _changes(node, own, source, framework):
                    yield kind, text, text.replace(own, changed)


def _statements(definition: Definition) -> Iterator[ast.stmt]:
    """Yield the statements of a definition that hold no others."""
    outer = [definition] if isinstance(definition, ast.Assign) else definition.body
    for statement in (inner for one in outer for inner in ast.walk(one) if isinstance(inner, ast.stmt)):
        if not isinstance(statement, ast.FunctionDef | ast.If | ast.For | ast.With):
            yield statement


def _text(node: ast.AST, source: str) -> str:
    """Return the text of a node, empty if it has none; `ast.get_source_segment` splits the whole source each time."""
    if not isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword) or node.end_lineno is None:
        return ""
    first, last, start, end = node.lineno - 1, node.end_lineno - 1, node.col_offset, node.end_col_offset
    lines = list(_lines(source)[first : last + 1])
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return b"".join(lines).decode()


@cache
def _lines(source: str) -> list[bytes]:
    """Return lines as bytes, in which a node's place is counted."""
    return source.encode().splitlines(keepends=True)


def _changes(node: ast.AST, own: str, source: str, framework: str) -> Iterator[tuple[str, str]]:
    """Yield a kind and the text of a node after each operator that fits."""
    text = {id(child): _text(child, source) for child in ast.iter_child_nodes(node)}
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SYMBOLS:
        symbol = SYMBOLS[type(node.ops[0])]
        yield "comparison", f"{text[id(node.left)]} {COMPARISONS[symbol]} {text[id(node.comparators[0])]}"
    elif isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
        yield "arithmetic", f"{text[id(node.left)]} {ARITHMETIC[SYMBOLS[type(node.op)]]} {text[id(node.right)]}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not | ast.USub):
        yield "negation", text[id(node.operand)]
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", str(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield "constant", str(2 * node.value + 1)
    elif isinstance(node, ast.Call):
        yield from _changed_calls(node, own, source)
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict) and node.value.values:
        value = _text(node.value.values[0], source)
        yield "gradient", own.replace(value, CUT_OFF[framework].format(f"({value})"), 1)


def _changed_calls(node: ast.Call, own: str, source: str) -> Iterator[tuple[str, str]]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    function = _text(node.func, source)
    if called in NAMES:
        yield "name", own.replace(function, function[: len(function) - len(called)] + NAMES[called], 1)
    if called in SELECTIONS and len(node.args) == 3 and not node.keywords:
        condition, one, other = (_text(argument, source) for argument in node.args)
        yield "selection", f"{function}({condition}, {other}, {one})"
    for keyword in node.keywords:
        if keyword.arg in ("min", "max"):
            yield "bound", own.replace(f"{keyword.arg}=", f"{NAMES[keyword.arg]}=", 1)


def _conditional() -> Iterator[Mutant]:
    """Apply changes that are written by hand where a condition on the sizes holds."""
    for mutant in MUTANTS.values():
        given = find(mutant.operation).configurations[0].inputs
        arguments = _arguments(mutant)
        arrays = [name for name in arguments if "BT" in (given[name].axes if name in given else "")]
        if mutant.optimiser or "lengths" not in arguments or not arrays:
            continue
        if not (_is_value(mutant.before) and _is_value(mutant.after)) or _is_in_a_step(mutant, arrays[0]):
            continue
        for kind, condition in CONDITIONS.items():
            after = f"(({mutant.after}) if {condition.format(arrays[0])} else {mutant.before})"
            name, mistake = f"{mutant.name}, {kind}", f"conditional, {kind}"
            yield replace(mutant, name=name, mistake=mistake, after=after, killed_by="")


def _arguments(mutant: Mutant) -> list[str]:
    """Return the arguments of the function that a mutant changes."""
    function = definitions(mutant.framework, mutant.file).get(mutant.function)
    return [one.arg for one in function.args.args] if isinstance(function, ast.FunctionDef) else []


def _is_in_a_step(mutant: Mutant, array: str) -> bool:
    """Tell whether a mutant is in an inner function, such as a step, whose own argument has the name of an array."""
    function = definitions(mutant.framework, mutant.file)[mutant.function]
    inner = [one for one in ast.walk(function) if isinstance(one, ast.FunctionDef | ast.Lambda) and one is not function]
    around = [one for one in inner if mutant.before in _text(one, source(mutant.framework, mutant.file))]
    return any(argument.arg == array for one in around for argument in one.args.args)


def _is_value(text: str) -> bool:
    """Tell whether a text is an expression, which a condition can choose."""
    try:
        return not isinstance(ast.parse(text, mode="eval").body, ast.Tuple) and "\n" not in text
    except SyntaxError:
        return False
