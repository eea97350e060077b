"""The report as one page that needs nothing else: no font, no connection, and of scripts only its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from markupsafe import Markup

from parity.checks.error_maps import BINS, UP_TO
from parity.divergences.entry import VERDICTS
from parity.report import plots
from parity.report.bundle import bundle
from parity.report.formatting import MEANINGS, SYMBOLS
from parity.report.mutation import margin
from parity.report.summaries import gist
from parity.report.templates import FOLDER, rendered
from parity.report.view import ABOUT_MUTANTS, CLAIMS, EXPECTED_FAILURES, QUESTION, RANDOM, READING, TITLE, View

SCRIPTS = (
    *("elements", "results", "theme", "cell", "order", "keys", "matrix"),
    *("heat", "spread", "result", "dialog", "start"),
)


def html(view: View, plotted: bool = True) -> str:
    """The whole page.

    Args:
        view: from `parity.report.view.view`.
        plotted: with its plots; without them, the page says when there will be any.

    Returns:
        HTML with its style, its script and all results inside. Of scripts, a browser runs this one only.
    """
    script = _script()
    return rendered(
        "index",
        view=view,
        plotted=_plotted(view.record) if plotted else {},
        title=TITLE,
        question=QUESTION,
        reading=READING,
        expected_failures=EXPECTED_FAILURES,
        claims=CLAIMS,
        verdicts=VERDICTS,
        about_mutants=ABOUT_MUTANTS,
        random=RANDOM,
        margin=margin,
        gist=gist,
        symbols=SYMBOLS,
        meanings=MEANINGS,
        bundle=bundle(view.matrices, BINS, UP_TO[-1]),
        script=Markup(script),
        script_hash=_digest(script),
    )


def _plotted(record: Mapping[str, Any]) -> dict[str, Markup]:
    """The sections that are plots."""
    return {
        "training": plots.training(record["training"], record["checks"]),
        "throughput": plots.throughput(record["throughput"], record["environment"]),
    }


@cache
def _script() -> str:
    return "\n" + "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def _digest(script: str) -> str:
    """As a content security policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
