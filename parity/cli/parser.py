"""Parse the command line; each command adds its options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from textwrap import wrap
from typing import Any, NoReturn

from parity import __version__

COMMANDS = {
    "check": "Check every variant of every operation against its contracts, and write a report.",
    "model": "Check whether a model of your own ignores padding, batch-mates and the side of the padding.",
    "pair": "Check whether two models of your own are the same function, and if not, in which layer and why.",
    "transfer": "Write the weights of one model in the layout of another one, in PyTorch or Keras.",
    "record": "Record what a framework observes, so that parity check --replay can compare with it elsewhere.",
    "report": "Write the Markdown and the page of a report again, or the report of a run that was killed.",
    "merge": "Make one report of those of all shards, which parity check --shard or pytest --parity-shard wrote.",
    "diff": "Compare two reports: new failures, new passes, score changes, added and removed cases.",
    "describe": "Describe what an operation computes, takes and returns.",
    "divergences": "List what the frameworks do differently and what people believe, or explain some of it.",
    "mutants": "Run mutants, small mistakes that people make, and show which contracts kill them.",
    "sweep": "Check random cases of many seeds: count false alarms, and show how scores are distributed.",
    "advise": "Predict which variant is fastest for your lengths, and measure it.",
}
EXAMPLES = {
    "check": ("parity check", "parity check --quick", "parity check rnn.lstm pooling --framework pytorch"),
    "model": ("parity model mypackage.models:make_tagger --tokens 2000",),
    "pair": ("parity pair mypackage.ported:make_torch mypackage.original:make_keras --tokens 2000",),
    "transfer": ("parity transfer mypackage:make_keras mypackage:make_torch --output weights.safetensors",),
    "record": ("parity record --framework pytorch --output recording",),
    "report": ("parity report parity-report --benchmarks throughput.json",),
    "merge": ("parity merge shard-1 shard-2 shard-3",),
    "diff": ("parity diff old-report new-report", "parity diff old-report new-report --markdown > changes.md"),
    "describe": ("parity describe rnn.lstm",),
    "divergences": ("parity divergences --search mask_zero", "parity divergences loss.denominator --run"),
    "mutants": ("parity mutants rnn --list", "parity mutants --generated 40"),
    "sweep": ("parity sweep --operation rnn.gru --seeds 20", "parity sweep --designed --operation pooling --seeds 20"),
    "advise": ("parity advise --lengths lengths.txt --cell lstm --hidden 256 --batch 64",),
}
WIDTH = 80  # of a command's description
STATUS = "Exit status: 0 all agree, 1 something failed, 2 wrong usage, 130 interrupted."


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and reports an error in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str, nearest: Sequence[str] = ()) -> NoReturn:
        """Exit with status 2 and the error."""
        from parity.errors import first_lines

        hint = f"; nearest: {nearest[0]}" if nearest else ""
        self.exit(2, f"parity: error: {first_lines(message)}; {self.prog} --help lists what it takes{hint}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; let each command report those it does not know."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word, known = unknown[0].partition("=")[0], list(self._option_string_actions)
            longer = [name for name in known if word.startswith("--") and name.startswith(word)]
            self.error(f"unrecognized arguments: {' '.join(unknown)}", longer or get_close_matches(word, known))
        return options, unknown


def command_parser(command: str = "") -> argparse.ArgumentParser:
    """Return the parser of all commands; only the module of one of them is imported, for its options."""
    parser = Parser(
        prog="parity", description="Check whether PyTorch and TensorFlow agree about padding.", epilog=STATUS
    )
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    layout = argparse.RawDescriptionHelpFormatter  # keeps the lines of examples
    for name, text in COMMANDS.items():
        examples = "\n  ".join(["examples:" if len(EXAMPLES[name]) > 1 else "example:", *EXAMPLES[name]])
        described = "\n".join(wrap(text, WIDTH))
        added = commands.add_parser(name, help=text, description=described, epilog=examples, formatter_class=layout)
        if name == command:
            from parity.cli.options import make_strict

            module = import_module(f"parity.cli.{name}")
            added.set_defaults(run=module.run)
            make_strict(added)
            module.add_options(added)
    return parser
