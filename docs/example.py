"""The pictures of the README, taken of a report: ``python docs/screenshots.py parity-report``.

Needs Playwright and a Chromium, as the tests of the page do (``tests/test_page.py``).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE = {"width": 1200, "height": 860}
CELL = "#rnn.lstm/tensorflow.dynamic_rnn/matches_reference"


def opened(browser: Browser, page: Path, anchor: str, scheme: str) -> Page:
    """A page that is ready."""
    shown = browser.new_page(viewport=WIDE, color_scheme=scheme, device_scale_factor=1.5)
    shown.goto(page.resolve().as_uri() + anchor)
    shown.wait_for_selector("html[data-ready]")
    return shown


def main(report: str) -> None:
    """Take all of them."""
    page = Path(report) / "index.html"
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened(browser, page, "", "light").screenshot(path=HERE / "page.png")
        opened(browser, page, CELL, "dark").screenshot(path=HERE / "cell.png")
        plot = opened(browser, page, "#throughput", "light").locator("#throughput figure").first
        plot.screenshot(path=HERE / "throughput.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
