"""Add the options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any

from parity.report import FOLDER

NOTES = {
    "operation": ", or all operations of this topic",
    "contract": "; a selection trains models only if it names trains_alike",
}


class Once(argparse.Action):
    """An option with one value that is given at most once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _: str | None = None
    ) -> None:
        """Take the value unless it is empty or the second one."""
        if not values or getattr(namespace, self.dest):
            parser.error(f"{self.option_strings[0]} takes one value, and no other with it")
        setattr(namespace, self.dest, values)


def add_selection(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add an option for each name, which may be repeated."""
    group = parser.add_argument_group("selection", "Each may be repeated. Without any, everything is selected.")
    for name in names:
        note = NOTES.get(name, "")
        group.add_argument(f"--{name}", action="append", default=[], help=f"select only this {name}{note}")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the device and its precision."""
    parser.add_argument("--device", default="cpu", help="run on auto, cpu (default) or cuda")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the seed of the sampled cases."""
    parser.add_argument("--seed", type=int, default=0, help="sample the cases with this seed (default 0)")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of worker processes."""
    parser.add_argument("--jobs", type=int, help="run so many worker processes (default: one a core, at most 4)")


def add_output(parser: argparse.ArgumentParser, action: str = "write the report to this folder") -> None:
    """Add the folder of the report."""
    parser.add_argument("--output", default=FOLDER, metavar="DIR", help=f"{action} (default {FOLDER})")
