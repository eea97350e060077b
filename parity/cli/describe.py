"""``parity describe``: what an operation computes, takes and gives; who brings a function of their own has to know."""

from __future__ import annotations

import argparse
import inspect
from importlib import import_module
from types import ModuleType

from rich.table import Table

from parity.cli.terminal import console as screen
from parity.errors import choose_all
from parity.operations import OPERATIONS, Configuration, Input, Operation, find

HELP = "say what an operation computes, takes and gives"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("name", nargs="*", help='these, e.g. "rnn.lstm", or a topic, "rnn"; without one, list all')


def run(options: argparse.Namespace) -> int:
    """List or describe.

    Raises:
        InputError: no such operation; the message names the nearest.
    """
    console = screen(120)
    chosen = choose_all("operation", options.name, OPERATIONS)
    if not chosen:
        console.print(_contents())
    for row in map(find, chosen):
        console.print(f"[bold]{row.name}[/bold]")
        console.print(_words(row), markup=False, highlight=False)
        console.print(f"\n{inspect.getdoc(_reference(row))}", markup=False, highlight=False)
        for config in row.configurations:
            console.print(f"\nform {config.name}: {', '.join(_call(config))}", markup=False, highlight=False)
            console.print(_arrays(config))
        for framework, variants in row.variants.items():
            console.print(f"{framework}: {', '.join(variants)}", markup=False, highlight=False)
        console.print()
    return 0


def _contents() -> Table:
    table = Table("operation", "what", box=None, pad_edge=False, header_style="dim")
    for row in OPERATIONS.values():
        table.add_row(row.name, _words(row).partition("\n")[0])
    return table


def _words(row: Operation) -> str:
    """What the reference says of itself: it is the definition."""
    return inspect.getdoc(getattr(_reference(row), row.function)) or ""


def _reference(row: Operation) -> ModuleType:
    return import_module(f"parity.reference.{row.topic}")


def _call(config: Configuration) -> list[str]:
    """The arguments, and the values of those that are options."""
    return [f"{name}={config.options[name]!r}" if name in config.options else name for name in config.arguments]


def _arrays(config: Configuration) -> Table:
    table = Table("", "name", "axes", "", box=None, pad_edge=False, header_style="dim")
    table.add_row("takes", "lengths", _axes("B"), "whole numbers")
    for name, array in config.inputs.items():
        table.add_row("takes", name, _axes(array.axes), _kind(array))
    for name, axes in config.outputs.items():
        table.add_row("gives", name, _axes(axes), "")
    return table


def _axes(axes: str) -> str:
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _kind(array: Input) -> str:
    if array.below or array.up_to:
        return f"whole numbers below {array.below}" if array.below else f"whole numbers up to {array.up_to}"
    return "floats between 0 and 1" if array.unit else "floats"
