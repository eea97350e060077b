"""Generate the tables of operations, contracts, verdicts and options of pytest."""

from __future__ import annotations

from pathlib import Path

from docs.generating.markdown import code, escaped, table
from padding_parity_plugin import OPTIONS
from parity.arrays import DTYPES
from parity.checks import sensitivity
from parity.checks.contracts import CONTRACTS
from parity.divergences import DIVERGENCES, VERDICTS
from parity.frameworks import FRAMEWORKS
from parity.models.contracts import CONTRACTS as OF_A_MODEL
from parity.operations import OPERATIONS, Operation


def operations() -> str:
    """Return a table of the operations: variants of each framework, and contracts that are not promised."""
    return table(["operation", "PyTorch", "TensorFlow"], map(_operation, OPERATIONS.values()))


def _operation(row: Operation) -> list[str]:
    variants = [", ".join(code(variant) for variant in row.variants[framework]) for framework in FRAMEWORKS]
    return [code(row.name), *variants]


def contracts() -> str:
    """Return a table of the contracts of operations."""
    return table(["contract", "must hold"], ([code(one.name), escaped(one.promise)] for one in CONTRACTS.values()))


def model_contracts() -> str:
    """Return a table of the contracts of a model."""
    rows = ([code(name), escaped(one.promise)] for name, one in OF_A_MODEL.items())
    return table(["contract", "must hold"], rows)


def verdicts() -> str:
    """Return a table of the verdicts of divergences, and how many have each."""
    counts = dict.fromkeys(VERDICTS, 0)
    for entry in DIVERGENCES.values():
        counts[entry.verdict] += 1
    return table(
        ["verdict", "meaning", "entries"],
        ([f"**{name}**", escaped(meaning), str(counts[name])] for name, meaning in VERDICTS.items()),
    )


def pytest_options() -> str:
    """Return a table of the options of the plugin."""
    rows = []
    for name, attributes in OPTIONS.items():
        written = " ".join([name, attributes["metavar"]] if "metavar" in attributes else [name])
        rows.append([code(written), escaped(attributes["help"])])
    return table(["option", ""], rows)


def sensitivities() -> str:
    """Return a table of the smallest relative error that fails, in all quantities of each operation."""
    return table(["operation", *DTYPES], ([code(name), *texts] for name, texts in sensitivity.ranges().items()))


ROOT = "{root}"  # in a link, in place of the way to the first page of the site
EXAMPLE = Path(__file__).parents[1] / "_example" / "report" / "index.html"


def example_report() -> str:
    """Return a link to the report that is published with this site, or how to make one."""
    if EXAMPLE.exists():
        return f'<p><a href="{ROOT}report/index.html">The report of the last run on the main branch</a></p>\n'
    return "The published site has the report of the last run on the main branch here; `parity check` makes one.\n"
