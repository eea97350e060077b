"""Make what the documentation shows of a whole run: ``python docs/example.py parity-report``.

Writes ``measurements.json``, the numbers that README and documentation state, and two pictures: the plots of the
throughput, and a failing cell. For the latter one mutant takes the place of an implementation. Pictures need Playwright
and a Chromium, as the tests of the page do (``tests/test_page.py``).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from parity.__main__ import main as parity
from parity.checks.sweep import QUANTILES
from parity.mutants import MUTANTS
from parity.mutants.mutant import mutated_framework

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WINDOW = {"width": 1100, "height": 1000}
MUTANT = "rnn.lengths_short_by_one"
FIELDS = (
    *("framework", "operation", "variant", "mode", "distribution", "phase", "B", "T", "D", "H", "fill"),
    *("seconds", "share_of_peak", "speedup", "a_a"),
)


def main(folder: str) -> None:
    """Write the measurements and the pictures."""
    report = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
    (HERE / "measurements.json").write_text(as_json(measurements(report)), encoding="utf-8")
    with sync_playwright() as playwright, TemporaryDirectory() as failing:
        program = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        throughput = _open(browser, Path(folder) / "index.html", "#throughput")
        _screenshot_row(throughput.locator("#throughput .panels").first, HERE / "images" / "throughput.png")
        page = _open(browser, Path(failing) / "index.html", run_mutated(failing))
        page.locator("dialog").screenshot(path=HERE / "images" / "cell.png")
        browser.close()


def measurements(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that README and documentation state: counts, training of recurrent layers, and the sweep."""
    throughput, sweep = report["throughput"], report["sweep"]
    rows = [{name: row[name] for name in FIELDS} for row in throughput["rows"] if _is_shown(row)]
    largest = {kind: _largest(sweep["rows"], kind) for kind in ("element", "norm")}
    return {
        "environment": report["environment"],
        "summary": report["summary"],
        "sweep": {name: sweep[name] for name in ("seeds", "checks", "failed")} | {"largest": largest},
        "throughput": {name: throughput[name] for name in ("date", "machine", "versions")}
        | {"rows": rows, "curves": throughput["curves"]},
    }


def _largest(rows: Iterable[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    """Return the largest score of a sweep, and its operation."""
    score, operation = max((row[kind][QUANTILES.index(100)], row["operation"]) for row in rows if row[kind])
    return {"score": score, "operation": operation}


def _is_shown(row: Mapping[str, Any]) -> bool:
    return row["phase"] == "train" and row["operation"].partition(".")[0] in ("rnn", "bidirectional")


def as_json(data: Mapping[str, Any]) -> str:
    """Return data as JSON, with a line for each item of a list that is not short."""
    return "".join(_lines(data, "")) + "\n"


def _lines(data: Any, margin: str) -> Iterator[str]:
    """Yield the parts of the text: an object or a list is on one line if it is short."""
    text = json.dumps(data, ensure_ascii=False)
    if len(text) + len(margin) <= 400 or not isinstance(data, (dict, list)):
        yield text
        return
    inner = f"{margin} "
    named = isinstance(data, dict)
    yield "{" if named else "["
    for n, item in enumerate(data.items() if isinstance(data, dict) else data):
        yield f"{',' if n else ''}\n{inner}"
        yield f"{json.dumps(item[0])}: " if named else ""
        yield from _lines(item[1] if named else item, inner)
    yield f"\n{margin}" + ("}" if named else "]")


def run_mutated(folder: str) -> str:
    """Write the report of a mutant, and return the address of its failing cell."""
    mutant = MUTANTS[MUTANT]
    selection = {
        "operation": mutant.operation,
        "framework": mutant.framework,
        "variant": mutant.variant,
        "contract": mutant.killed_by,
        "dtype": "float32",
        "config": "one_layer",
        "lengths": "5,2,4,1:6",
    }
    options = [part for name, value in selection.items() for part in (f"--{name}", value)]
    with mutated_framework(mutant, mutant.operation.partition(".")[0]):
        parity(["check", *options, "--jobs", "1", "--output", folder])
    return f"#{mutant.operation}/{mutant.subject}/{mutant.killed_by}"


def _open(browser: Browser, file: Path, anchor: str) -> Page:
    """Open a page at an anchor, and wait until it is ready."""
    page = browser.new_page(viewport=WINDOW, color_scheme="light")
    page.goto(file.as_uri() + anchor)
    page.wait_for_selector("html[data-ready]")
    return page


def _screenshot_row(panels: Locator, file: Path) -> None:
    """Take a screenshot of the first row of plots: all at the same height as the first."""
    boxes = [figure.bounding_box() or {} for figure in panels.locator("figure").all()]
    row = [box for box in boxes if box["y"] == boxes[0]["y"]]
    bottom = max(box["y"] + box["height"] for box in row)
    clip = {"x": row[0]["x"] - 12, "y": row[0]["y"] - 8, "width": row[-1]["x"] + row[-1]["width"] - row[0]["x"] + 24}
    panels.page.screenshot(path=file, clip=clip | {"height": bottom - row[0]["y"] + 16})


if __name__ == "__main__":
    main(*sys.argv[1:])
