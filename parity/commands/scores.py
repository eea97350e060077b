"""``parity scores``: the measurement behind the noise floor's limits."""

from __future__ import annotations

import argparse

from rich.table import Table

from parity import scores
from parity.commands.screen import console, progress
from parity.errors import whole_number

HELP = "measure how scores are distributed, to choose the noise floor's limits"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("--seeds", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--dtype", action="append", default=[], help="only this dtype; may be repeated")


def run(options: argparse.Namespace) -> int:
    """Measure, and print a table."""
    whole_number("--seeds", options.seeds, least=1)
    found: list[scores.Score] = []
    dtypes = scores.chosen(options.dtype)
    with progress() as bars:
        for dtype in dtypes:
            for seed_scores in bars.track(scores.scores(dtype, range(options.seeds)), options.seeds, description=dtype):
                found += seed_scores
    table = Table(*scores.HEADER)
    for row in scores.table(found):
        table.add_row(*row)
    console(200).print(table)
    return 0
