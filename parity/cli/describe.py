"""Describe an operation to whoever brings a function of their own: ``parity describe``."""

from __future__ import annotations

import argparse
import inspect
from importlib import import_module
from types import ModuleType

from rich.console import Console
from rich.table import Table

from parity.cli.terminal import console
from parity.errors import choose_all
from parity.operations import OPERATIONS, Configuration, Input, Operation, find
from parity.report.journal import warn


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity describe``."""
    parser.add_argument(
        "name", nargs="*", help='describe these, such as "rnn.lstm", or a topic, "rnn"; without one, list all'
    )


def run(options: argparse.Namespace) -> int:
    """List or describe operations."""
    terminal = console(120)
    chosen = choose_all("operation", options.name, OPERATIONS)
    if not chosen:
        terminal.print(_contents())
    for name in chosen:
        _describe(find(name), terminal)
    if not all(map(_definition, map(find, chosen or OPERATIONS))):
        warn("definitions are docstrings, which an option of Python, -OO, has removed")
    return 0


def _describe(row: Operation, terminal: Console) -> None:
    terminal.print(row.name, style="bold")
    if definition := _definition(row):
        terminal.print(definition)
        terminal.print(f"\n{inspect.getdoc(_reference(row))}")
    parameters = list(inspect.signature(getattr(_reference(row), row.function)).parameters)
    for config in row.configurations:
        options = config.options  # shown with their values
        arguments = sorted(config.arguments, key=parameters.index)
        call = [f"{name}={options[name]!r}" if name in options else name for name in arguments]
        terminal.print(f"\nconfiguration {config.name}: {', '.join(call)}")
        terminal.print(_arrays(config, parameters))
    for framework, variants in row.variants.items():
        terminal.print(f"{framework}: {', '.join(variants)}")
    terminal.print()


def _contents() -> Table:
    table = Table("operation", "definition", box=None, pad_edge=False, header_style="dim")
    for row in OPERATIONS.values():
        table.add_row(row.name, _definition(row).partition("\n")[0])
    return table


def _definition(row: Operation) -> str:
    """Return the docstring of the reference, which is the definition."""
    return inspect.getdoc(getattr(_reference(row), row.function)) or ""


def _reference(row: Operation) -> ModuleType:
    return import_module(f"parity.reference.{row.topic}")


def _arrays(config: Configuration, parameters: list[str]) -> Table:
    table = Table("", "name", "axes", "", box=None, pad_edge=False, header_style="dim")
    taken = {"lengths": ("B", "whole numbers")}
    taken |= {name: (array.axes, _kind(array)) for name, array in config.inputs.items()}
    for name in sorted(taken, key=lambda name: parameters.index(name.partition(".")[0])):
        axes, kind = taken[name]
        table.add_row("takes", name, _axes(axes), kind)
    for name, axes in config.outputs.items():
        table.add_row("returns", name, _axes(axes), "")
    return table


def _axes(axes: str) -> str:
    comma = "," if len(axes) == 1 else ""
    return f"({', '.join(axes)}{comma})"


def _kind(array: Input) -> str:
    if array.below:
        return f"whole numbers below {array.below}"
    if array.up_to:
        return f"whole numbers up to {array.up_to}"
    floats = "floats between 0 and 1" if array.unit else "floats"
    return f"{floats}, a buffer: it has no gradient" if array.buffer else floats
