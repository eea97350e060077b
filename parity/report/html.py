"""Render a report as one page that needs no network and runs no script but its own.

A full run has 50 000 results. As HTML they would be tens of megabytes. Packed for the script, each text once, and
compressed field by field, they are one megabyte, and a browser lays out only what a reader opens.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from markupsafe import Markup
from msgspec import Struct

from parity.checks.contracts import CONTRACTS
from parity.checks.error_maps import BINS, UP_TO
from parity.checks.result import FAILED, PRECEDENCE, Count, HeatMap, Measure, Result, Scores
from parity.checks.sentences import sentence
from parity.divergences import VERDICTS
from parity.errors import printable
from parity.report import plots
from parity.report.formatting import MEANINGS, SYMBOLS, plural
from parity.report.glossary import GLOSSARY
from parity.report.groups import group_by, worst_first
from parity.report.summaries import (
    MUTANT_HEADS,
    SENSITIVITY_HEADS,
    SWEEP_HEADS,
    TOTALS_HEADS,
    VERDICT_WORDS,
    beginning,
    margin,
    observed_values,
    summarise_divergence,
    verdict_words,
)
from parity.report.table import SMALL, Column, Matrix
from parity.report.templates import FOLDER, render, visible
from parity.report.view import EXPECTED_FAILURES, TITLE, View

SELECTION = (  # as the command that reproduces most results begins
    "parity check --operation {one.operation} --framework {one.framework} --variant {one.variant} --dtype {one.dtype}"
    " --contract {one.contract}"
)
CONSTANTS = {  # of the script
    "STATUSES": PRECEDENCE,
    "SYMBOLS": SYMBOLS,
    "MEANINGS": MEANINGS,
    "SMALL": SMALL,
    "SELECTION": SELECTION,
}
TEXT_FIELDS = 7  # of a packed result, the first


def render_page(view: View) -> str:
    """Render the page as HTML with its style, its script and all results."""
    script = _script()
    digest = hashlib.sha256(script.encode()).digest()
    return render(
        "index",
        view=view,
        plots={
            "own": plots.own(view.own),
            "training": plots.training(view.report),
            "throughput": plots.throughput(view.report),
        },
        title=TITLE,
        question=view.question,
        expected_failures=EXPECTED_FAILURES,
        contracts=CONTRACTS.values(),
        verdicts={VERDICT_WORDS.get(verdict, verdict): meaning for verdict, meaning in VERDICTS.items()},
        mutant_heads=MUTANT_HEADS,
        totals_heads=TOTALS_HEADS,
        sensitivity_heads=SENSITIVITY_HEADS,
        sweep_heads=SWEEP_HEADS,
        glossary=GLOSSARY,
        beginning=beginning,
        group_by=group_by,
        margin=margin,
        plural=plural,
        sentence=sentence,
        observed_values=observed_values,
        summarise_divergence=summarise_divergence,
        verdict_words=verdict_words,
        symbols=SYMBOLS,
        meanings=MEANINGS,
        bundle=Markup(pack(view.matrices)),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode(),
    )


@cache
def _script() -> str:
    """Join the files of the script: they define functions and constants, and start.js, the last, calls them."""
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in CONSTANTS.items())
    scripts = (file for file in FOLDER.iterdir() if file.name.endswith(".js"))
    files = sorted(scripts, key=lambda file: (file.name == "start.js", file.name))
    return f"\n{constants}" + "\n".join(file.read_text(encoding="utf-8") for file in files)


class PackedResult(Struct, frozen=True):
    """A result as the page's script reads it; texts are positions in ``Bundle.texts``."""

    dtype: int
    mode: int
    case: int
    status: int
    quantity: int
    explanation: int  # the sentence about a failure, the reason of an expected failure or a skip
    reproduce: int  # without `SELECTION`, filled in, if it begins so
    quantities: tuple[int, ...]  # texts too: the names of all quantities,
    scores: tuple[Scores, ...]  # and their scores
    seed: int
    own: Scores | None  # those of its quantity, where `scores` has others
    limit: Measure
    norm_limit: Measure
    max_abs_error: Measure
    worst_index: tuple[Count, ...]
    values: tuple[float | None, float | None]  # observed and expected
    compared: Count
    histogram: tuple[Count, ...]
    heat_map: HeatMap | None


class Bundle(Struct, frozen=True):
    """All results of a page, field by field: what stands together is alike, and compresses well."""

    text_fields: int  # of the fields so many are texts, the first
    texts: list[str]
    contracts: list[tuple[str, str, float | None, str]]  # name, promise, limit of an element, what is expected
    rows: list[tuple[str, str, str]]  # operation, framework and variant, in the order of the page
    counts: list[list[int]]  # row and contract -> how many results
    fields: dict[str, list[Any]]  # of a packed result -> the values of all results, cell by cell, the worst first
    bins: tuple[str, ...]  # names, of a histogram
    limit: float  # of an element, at which the colours of a heat map end


def pack(matrices: Sequence[Matrix]) -> str:
    """Pack all results for the page's script, as JSON, gzipped, in base64; see `Bundle`."""
    texts: dict[str, int] = {}
    rows = [row for matrix in matrices for row in matrix.rows]
    columns = matrices[0].columns if matrices else ()
    cells = [cell for row in rows for cell in row.cells]
    packed = [_pack(result, texts) for cell in cells for result in worst_first(cell.results)]
    bundle = Bundle(
        text_fields=TEXT_FIELDS,
        texts=[visible(text) for text in texts],
        contracts=[_contract(column) for column in columns],
        rows=[(printable(row.operation), printable(row.framework), printable(row.variant)) for row in rows],
        counts=[[len(cell.results) for cell in row.cells] for row in rows],
        fields={name: [getattr(result, name) for result in packed] for name in PackedResult.__struct_fields__},
        bins=BINS,
        limit=UP_TO[-1],
    )
    return base64.b64encode(gzip.compress(msgspec.json.encode(bundle), 9, mtime=0)).decode()


def _contract(column: Column) -> tuple[str, str, float | None, str]:
    against = CONTRACTS[column.contract].against if column.contract in CONTRACTS else "expected"
    return printable(column.contract), column.promise, column.limit, against


def _hundredths(score: Measure) -> Measure:
    """Return a score of a heat map in hundredths, whole numbers, which are shorter; 0 is without any error."""
    return None if score is None else max(round(100 * score), int(score > 0))


def _pack(result: Result, texts: dict[str, int]) -> PackedResult:
    def position(text: str) -> int:
        return texts.setdefault(text, len(texts))

    heat_map = result.heat_map
    if heat_map:
        rows = tuple(tuple(map(_hundredths, row)) for row in heat_map.rows)
        heat_map = msgspec.structs.replace(heat_map, quantity=printable(heat_map.quantity), rows=rows)
    own = Scores(result.score, result.norm_score)
    return PackedResult(
        dtype=position(result.dtype),
        mode=position(result.mode),
        case=position(result.case),
        status=position(result.status),
        quantity=position(result.quantity),
        explanation=position(sentence(result) if result.status == FAILED else result.reason),
        reproduce=position(result.reproduce.removeprefix(SELECTION.format(one=result))),
        quantities=tuple(map(position, result.scores)),
        scores=tuple(result.scores.values()),
        seed=result.seed,
        own=None if result.scores.get(result.quantity) == own else own,
        limit=result.limit,
        norm_limit=result.norm_limit,
        max_abs_error=result.max_abs_error,
        worst_index=result.worst_index,
        values=(result.observed, result.expected),
        compared=result.compared,
        histogram=result.histogram,
        heat_map=heat_map,
    )
