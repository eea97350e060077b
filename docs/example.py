"""Make the example that the README shows from a report: ``python docs/example.py parity-report``.

Writes beside this file the page, ``results.json`` (the report without its single results, small enough to commit), and
screenshots of the page. Needs Playwright and a Chromium, as the tests of the page do (``tests/test_page.py``).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from parity.report import read
from parity.report.model import encode

HERE = Path(__file__).parent
IMAGES = HERE / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WINDOW = {"width": 1200, "height": 1000}
CELL = "#rnn.lstm/tensorflow.dynamic_rnn/matches_reference"


def main(folder: str) -> None:
    """Write the page, the numbers and the screenshots."""
    report = read(folder)
    numbers = msgspec.structs.replace(report, results=(), divergences=(), training=(), mutants=())
    (HERE / "results.json").write_text(encode(numbers), encoding="utf-8")
    shutil.copy(Path(folder) / "index.html", HERE / "index.html")
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        _open(browser, "", "light").screenshot(path=IMAGES / "page.png")
        _open(browser, CELL, "dark").screenshot(path=IMAGES / "cell.png")
        throughput = _open(browser, "#throughput", "light")
        _screenshot_row(throughput.locator("#throughput .panels").first, IMAGES / "throughput.png")
        browser.close()


def _open(browser: Browser, anchor: str, scheme: str) -> Page:
    """Open the page at an anchor, and wait until it is ready."""
    page = browser.new_page(viewport=WINDOW, color_scheme=scheme)
    page.goto((HERE / "index.html").as_uri() + anchor)
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
