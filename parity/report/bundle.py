"""Every result of a record, packed for the page's script: cell by cell of the matrix, each text once, compressed.

A full run has 20 000 results. Written out as HTML they would be 15 MB that a browser has to lay out; packed they are
half a megabyte of which it opens what a reader asks for.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from parity.errors import printable
from parity.report.cells import Column
from parity.report.table import Matrix

WORDS = ("dtype", "mode", "case", "status", "quantity", "reason", "first", "reproduce")  # as places in `texts`
VALUES = (
    *("seed", "score", "limit", "norm_score", "norm_limit", "max_abs_error"),
    *("worst_index", "observed", "expected", "compared", "scores", "spread", "heat"),
)


def bundle(matrices: Iterable[Matrix], bins: Iterable[str], limit: float) -> str:
    """What the script needs to show any result.

    Args:
        matrices: from `parity.report.table.matrices`; their rows and columns are numbered as the page numbers them.
        bins: the names of the bins of a spread.
        limit: of an element, in noise floors: where the colours of a heat map end.

    Returns:
        JSON, gzipped, in base64: ``contracts``, ``rows`` (operation, framework, variant), ``cells`` (row, contract ->
        its results, each a list of ``words`` and then ``values``), ``texts``, ``bins`` and ``limit``.
    """
    matrices, texts = list(matrices), _Texts()
    rows = [row for matrix in matrices for row in matrix.rows]
    told = {
        "words": WORDS,
        "values": VALUES,
        "bins": list(bins),
        "limit": limit,
        "contracts": [_contract(column) for column in (matrices[0].columns if matrices else ())],
        "rows": [[printable(name) for name in (row.operation, row.framework, row.variant)] for row in rows],
        "cells": [[[_packed(result, texts) for result in cell.results] for cell in row.cells] for row in rows],
        "texts": texts.shown,
    }
    plain = json.dumps(told, separators=(",", ":"), allow_nan=False).encode()
    return base64.b64encode(gzip.compress(plain, 6, mtime=0)).decode()


class _Texts:
    """Texts, made visible, each with its place among them."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.shown)
            self.shown.append("\n".join(map(printable, text.split("\n"))))
        return self._places[text]


def _contract(column: Column) -> dict[str, Any]:
    return {"name": printable(column.contract), "promise": printable(column.promise), "limit": column.limit}


def _packed(result: Mapping[str, Any], texts: _Texts) -> list[Any]:
    return [texts.place(result[name]) for name in WORDS] + [_value(result.get(name)) for name in VALUES]


def _value(value: Any) -> Any:
    """Names inside of a value are shown too, and made visible; records of earlier schemas lack some values."""
    if isinstance(value, Mapping):
        return {printable(name): _value(item) for name, item in value.items()}
    return printable(value) if isinstance(value, str) else value
