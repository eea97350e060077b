"""Find the functions, classes and tables of a framework that an operation reaches, in whichever file they stand.

A definition reaches what it names: a function, a class, or what is assigned to a name of a module, such as
``VARIANTS = {"packed": packed}``. Of such a table only the entries are followed whose key the operation asks for, if
there are any: its variant, or an expression of its own function, such as ``nn.LSTM``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from parity.operations import OPERATIONS, Operation

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign
Place = tuple[str, str]  # a file of a framework's folder, and a name that is defined there
NOT_LOADED_AGAIN = "runtime"  # see `parity.mutants.mutant.mutated_framework`


@cache
def source(framework: str, file: str) -> str:
    """Return the source of a file of a framework."""
    return (files(f"parity.{framework}") / f"{file}.py").read_text(encoding="utf-8")


@cache
def definitions(framework: str, file: str) -> dict[str, Definition]:
    """Return what a file defines, by name."""
    nodes = [node for node in ast.parse(source(framework, file)).body if isinstance(node, Definition)]
    return {name_of(node): node for node in nodes if name_of(node)}


def name_of(node: ast.stmt) -> str:
    """Return the name that a statement of a module defines; empty if it defines none, or several.

    >>> [name_of(node) for node in ast.parse("CELLS = {}; a, b = 1, 2; import ast").body]
    ['CELLS', '', '']
    """
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


@cache
def places(framework: str) -> dict[Place, dict[str, tuple[str, ...]]]:
    """Return what operations reach in a framework: place -> operation -> the variants that reach it.

    The first operations of a place are those of its own file.
    """
    found: dict[Place, dict[str, tuple[str, ...]]] = {}
    for row in OPERATIONS.values():
        for variant in row.variants[framework]:
            for place in reached(row, framework, variant):
                variants = found.setdefault(place, {})
                variants[row.name] = (*variants.get(row.name, ()), variant)
    for (file, _), by_operation in found.items():
        own = [name for name in by_operation if OPERATIONS[name].topic == file]
        for name in [name for name in by_operation if name not in own]:
            by_operation[name] = by_operation.pop(name)
    return found


def reached(row: Operation, framework: str, variant: str) -> list[Place]:
    """Return the places that a variant of an operation reaches, directly or not, its own function first.

    >>> [name for _, name in reached(OPERATIONS["rnn.lstm"], "pytorch", "real_steps")][:3]
    ['lstm', 'torch_layout', 'VARIANTS']
    """
    found, ahead = dict[Place, None](), [(row.topic, row.function)]
    wanted = {repr(variant), *_expressions(definitions(framework, row.topic)[row.function])}
    while ahead:
        file, name = ahead.pop(0)
        if (file, name) in found or file == NOT_LOADED_AGAIN or name not in definitions(framework, file):
            continue
        found[file, name] = None
        ahead += _mentioned(framework, file, definitions(framework, file)[name], wanted)
    return list(found)


def _expressions(node: ast.AST) -> set[str]:
    return {ast.unparse(inner) for inner in ast.walk(node) if isinstance(inner, ast.Attribute | ast.Name)}


def _mentioned(framework: str, file: str, node: Definition, wanted: set[str]) -> Iterator[Place]:
    """Yield the places that a definition names; a name of its own, such as an argument, may be that of a function."""
    inner = [one for part in _followed(node, wanted) for one in ast.walk(part)]
    own = {one.arg for one in inner if isinstance(one, ast.arg)}
    own |= {one.id for one in inner if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    imports = _imports(framework, file)
    for one in inner:
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id in imports:
            yield imports[one.value.id][0], one.attr
        elif isinstance(one, ast.Name) and one.id not in own:
            yield imports.get(one.id, (file, one.id))


def _followed(node: Definition, wanted: set[str]) -> list[ast.AST]:
    """Return the parts of a definition that are followed: of a table, the entries that are wanted, or else all."""
    if not isinstance(node, ast.Assign):
        return [node]
    if not isinstance(node.value, ast.Dict):
        return [node.value]
    entries = list(zip(node.value.keys, node.value.values, strict=True))
    asked_for = [value for key, value in entries if key is not None and ast.unparse(key) in wanted]
    return [*(asked_for or node.value.values)]


@cache
def _imports(framework: str, file: str) -> dict[str, Place]:
    """Return what a file imports of its framework's folder: local name -> file and name, empty for a whole file."""
    found, package = dict[str, Place](), f"parity.{framework}"
    for node in ast.parse(source(framework, file)).body:
        if isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            imported = (node.module or "").removeprefix(f"{package}.")
            found |= {alias.asname or alias.name: (imported, alias.name) for alias in node.names}
    return found
