"""The report as one page that needs nothing else: no font, no connection, and of scripts only its own."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from markupsafe import Markup

from parity.divergences.entry import VERDICTS
from parity.picture import BINS
from parity.report import plots
from parity.report.bundle import bundle
from parity.report.catches import margin
from parity.report.templates import FOLDER, rendered
from parity.report.view import CLAIMS, PLANTED, QUESTION, RANDOM, READING, REFUSALS, TITLE, View
from parity.report.words import MEANINGS, SYMBOLS

SCRIPTS = ("findings", "theme", "cell", "order", "keys", "matrix", "heat", "spread", "dialog", "start")


def html(view: View) -> str:
    """The whole page.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        HTML with its style, its script and all findings inside. Of scripts, a browser runs this one only.
    """
    script = _script()
    record = view.record
    return rendered(
        "index",
        view=view,
        drawn={
            "training": plots.training(record["training"]),
            "throughput": plots.throughput(record["throughput"], record["environment"]),
        },
        title=TITLE,
        question=QUESTION,
        reading=READING,
        refusals=REFUSALS,
        claims=CLAIMS,
        verdicts=VERDICTS,
        planted=PLANTED,
        random=RANDOM,
        margin=margin,
        symbols=SYMBOLS,
        meanings=MEANINGS,
        bundle=bundle(view.matrices, BINS),
        script=Markup(script),
        script_hash=_digest(script),
    )


@cache
def _script() -> str:
    return "\n" + "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def _digest(script: str) -> str:
    """As a content security policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
