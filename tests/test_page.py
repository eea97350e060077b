"""The page in a real browser: it filters, opens cells, follows links, and asks nobody for anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parity import report
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED
from parity.report.formatting import SYMBOLS
from tests.test_hostile import HOSTILE, curve, entry, mutant, record_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")

HEAT = {"quantity": "y", "lengths": [1, 0, 3], "steps": 3, "left": False, "together": 1}
ROWS = {"rows": [[1.2, 0.0, 0.0], [0.0, 0.0, 0.0], [0.5, None, 70.0]]}
MEASURED = {"quantity": "y", "score": 70.0, "limit": 64.0, "norm_score": 3.0, "norm_limit": 16.0, "max_abs_error": 1e-5}
PLACED = {"worst_index": [2, 2, 0], "observed": 0.125, "expected": 0.25, "compared": 18, "scores": {"y": (70.0, 3.0)}}
DRAWN = {"heat": HEAT | ROWS, "spread": (5, 4, 3, 2, 1, 1, 0, 0, 1, 1)}
WRONG = MEASURED | PLACED | DRAWN | {"reason": "70 noise floors off", "first": "parts at step 2"}
RIGHT = MEASURED | PLACED | {"score": 3.9, "scores": {"y": (3.9, 1.0), "h": (0.25, 0.5)}, "spread": (9,) * 10}


def found(variant: str, contract: str, status: str, dtype: str = "float32", **said: Any) -> dict[str, Any]:
    framework, _, name = variant.partition(".")
    check = Check("rnn.lstm", framework, name, dtype, contract)
    return check.result("eager", "one_layer/ragged", status, **said).as_dict()


RECORD = report.record(
    [
        found("pytorch.packed", "matches_reference", FAILED, **WRONG),
        found("pytorch.packed", "matches_reference", PASSED, "float64", **RIGHT),
        found("pytorch.packed", "repeatable", PASSED, quantity="y", score=0.0, limit=0.0, scores={"y": (0.0, 0.0)}),
        found("pytorch.padded", "matches_reference", PASSED, **RIGHT | {"scores": {"y": (16.5, 1.0)}}),
        found(
            "tensorflow.masked", "matches_reference", PASSED, **RIGHT | {"scores": {"y": (3.9, 1.0), "h": (5.2, 0.5)}}
        ),
        found("tensorflow.masked", "matches_reference", XFAILED, reason="refused: no index but 0"),
        found("tensorflow.static", "repeatable", SKIPPED, reason="no module named 'tensorflow'"),
    ],
    {},
    seed=0,
    seconds=1.0,
    planned=6,
    checked=6,
    divergences=[entry("word") | {"name": "loss.denominator"}],
    training=[curve("word")],
    mutants=[mutant("word") | {"name": "rnn.gates_swapped", "status": "killed"}],
)


@dataclass
class Opened:
    """A page in a browser, and what it did besides showing itself."""

    page: Page
    file: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def goto(self, anchor: str = "") -> Page:
        self.page.goto(self.file.as_uri() + anchor)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def cell(self, row: int, column: int) -> Any:
        return self.page.locator(f'tr[data-row="{row}"] td').nth(column).locator("button")

    @property
    def faces(self) -> list[str]:
        texts: list[str] = self.page.locator("tr[data-row] td").all_inner_texts()
        return texts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; a named skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a record; in the end it must have said nothing and asked for nothing."""
    opened: list[Opened] = []

    def _show(record: dict[str, Any] = RECORD, anchor: str = "", **how: Any) -> Opened:
        report.write(record, tmp_path)
        one = Opened(browser.new_page(**how), tmp_path / "index.html")
        one.page.on("console", lambda message: one.said.append(message.text))
        one.page.on("pageerror", lambda error: one.said.append(str(error)))
        one.page.on("dialog", lambda box: (one.said.append(f"alert {box.message}"), box.dismiss()))
        one.page.on("request", lambda request: one.asked.append(request.url))
        opened.append(one)
        one.goto(anchor)
        return one

    yield _show
    for one in opened:
        one.page.close()
        assert one.said == []
        assert {url.partition("#")[0] for url in one.asked} == {one.file.as_uri()}


def test_the_verdict_and_every_section_are_there(show: Callable[..., Opened]) -> None:
    page = show().page
    assert "1 of 6 checks failed" in page.locator(".verdict").inner_text()
    for link in page.locator("nav a").all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1


def test_filters_leave_what_was_asked_for(show: Callable[..., Opened]) -> None:
    page = show().page
    shown, rows = page.locator("output[name=shown]"), page.locator("tr[data-row]:visible")
    assert (shown.inner_text(), rows.count()) == ("4 of 4 variants", 4)
    page.fill("input[name=text]", "LSTM packed")
    assert (shown.inner_text(), rows.count()) == ("1 of 4 variants", 1)
    page.click("button[type=reset]")
    page.wait_for_function("document.querySelector('output').value.startsWith('4')")
    page.select_option("select[name=framework]", "tensorflow")
    assert rows.count() == 2
    page.select_option("select[name=status]", "skipped")
    assert rows.locator("th").inner_text() == "tensorflow.static"


def test_a_filter_says_what_the_whole_page_says_of_the_same_results(show: Callable[..., Opened]) -> None:
    """The faces of cells are written once in Python, for who has no script, and once in the script, for filters."""
    opened = show()
    labels = "[...document.querySelectorAll('tr[data-row] button')].slice(0, -1).map(button => button.ariaLabel)"
    written, said = opened.faces, opened.page.evaluate(labels)
    assert written[0] == "✗ 1"
    assert written[2].split() == ["16", SYMBOLS["absent"]]  # a half is rounded to the even digit, by either
    opened.page.select_option("select[name=mode]", "eager")
    assert opened.faces[:-1] == written[:-1]
    assert opened.page.evaluate(labels) == said
    opened.page.select_option("select[name=dtype]", "float64")
    assert opened.cell(0, 0).inner_text().split() == ["3.9"]
    assert opened.cell(0, 0).get_attribute("aria-label") == "matches_reference: holds, worst score 3.9"
    opened.page.select_option("select[name=dtype]", "")
    opened.page.select_option("select[name=mode]", "")
    assert opened.faces == written


def test_worst_first_and_by_name_and_back(show: Callable[..., Opened]) -> None:
    page = show().page
    names = page.locator("tr[data-row] th")
    before = names.all_inner_texts()
    page.select_option("select[name=order]", "worst")
    assert names.all_inner_texts()[:2] == ["pytorch.packed", "pytorch.padded"]
    page.select_option("select[name=order]", "name")
    assert names.all_inner_texts() == sorted(before)
    page.select_option("select[name=order]", "")
    assert names.all_inner_texts() == before


def test_a_cell_opens_its_results(show: Callable[..., Opened]) -> None:
    opened = show()
    opened.cell(0, 0).click()
    box = opened.page.locator("dialog")
    text = box.inner_text()
    for said in (
        "70 of 64",
        "3 of 16",
        "(2, 2, 0)",
        "0.125, expected 0.25",
        "70 noise floors off",
        "It parts at step 2",
    ):
        assert said in text
    assert "parity check --operation rnn.lstm --framework pytorch --variant packed" in text
    assert box.locator(".heat [fill='url(#hatch)']").count() == 5  # 9 steps, 4 of them real
    assert box.locator(".heat .over").count() == 2  # 70, and what is not finite
    assert box.locator(".heat .worst").count() == 1
    assert box.locator(".spread rect.of-pytorch").count() == 8
    assert box.locator(".spread rect.of-tensorflow").count() == 10  # of the other framework
    box.locator(".results tbody tr").nth(1).click()
    assert "3.9 of 64" in box.inner_text()
    opened.page.keyboard.press("Escape")
    assert not box.is_visible()


SEEN = """() => {
  const { left, top, width, height } = document.activeElement.getBoundingClientRect();
  return [[left + 3, top + height / 2], [left + width / 2, top + 3]]
    .every(place => document.activeElement.contains(document.elementFromPoint(...place)));
}"""
VARIANTS = ("pytorch.packed", "pytorch.padded", "tensorflow.masked", "tensorflow.static", "tensorflow.padded")
WIDE = report.record(
    [found(variant, contract, PASSED, **RIGHT) for variant in VARIANTS for contract in CONTRACTS],
    {},
    seed=0,
    seconds=1.0,
    planned=len(VARIANTS),
    checked=len(VARIANTS),
)


@pytest.mark.parametrize("width", [400, 1200])
def test_a_cell_with_the_focus_is_not_behind_a_head(width: int, show: Callable[..., Opened]) -> None:
    opened = show(WIDE, viewport={"width": width, "height": 260})
    opened.cell(0, 0).focus()
    for key in (*["ArrowDown"] * 4, *["ArrowRight"] * 8, *["ArrowUp"] * 4, *["ArrowLeft"] * 8):
        opened.page.keyboard.press(key)
        assert opened.page.evaluate(SEEN), key


def test_the_matrix_is_walked_with_the_keys(show: Callable[..., Opened]) -> None:
    opened = show()
    opened.cell(0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp"):
        opened.page.keyboard.press(key)
    opened.page.keyboard.press("Enter")
    assert "repeatable" in opened.page.locator("dialog header").inner_text()


def test_a_filter_leaves_a_way_into_the_matrix_by_key(show: Callable[..., Opened]) -> None:
    opened = show()
    opened.page.fill("input[name=text]", "static")
    assert opened.page.locator('#matrix td button[tabindex="0"]').count() == 1
    opened.page.focus("#matrix .scroll")
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Tab")  # past the link in the first head
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.evaluate("document.activeElement.closest('tr').dataset.row") == "3"
    opened.page.fill("input[name=text]", "no such thing")
    assert opened.page.locator("#no-variant").is_visible()
    opened.page.click("#no-variant button")
    opened.page.wait_for_function("document.querySelector('output').value.startsWith('4')")


def test_an_opened_cell_has_the_number_that_stood_in_it(show: Callable[..., Opened]) -> None:
    opened = show()
    for row, name in ((1, []), (2, ["h"])):  # the worst element need not be of what is nearest to its limit
        (number, *_) = opened.cell(row, 0).inner_text().split()
        opened.cell(row, 0).click()
        element = opened.page.locator(".results tr.passed td:nth-child(6)")
        assert element.inner_text().split() == [number, *name]
        opened.page.keyboard.press("Escape")


def test_a_filter_holds_for_an_opened_cell(show: Callable[..., Opened]) -> None:
    opened = show()
    opened.page.select_option("select[name=dtype]", "float64")
    opened.cell(0, 0).click()
    box, lines = opened.page.locator("dialog"), opened.page.locator(".results tbody tr")
    assert (lines.count(), "hides 1 of" in box.inner_text()) == (1, True)
    box.get_by_text("Show them").click()
    assert (lines.count(), "hides" in box.inner_text()) == (2, False)


def test_on_a_phone_a_chosen_result_comes_into_view(show: Callable[..., Opened]) -> None:
    opened = show(viewport={"width": 400, "height": 700})
    opened.cell(0, 0).click()
    opened.page.locator(".results tbody tr").nth(1).click()
    assert opened.page.evaluate("document.activeElement.textContent").endswith("float64")
    assert opened.page.locator(".detail h3").evaluate("head => head.getBoundingClientRect().top") < 350


def test_the_results_of_a_cell_are_walked_with_the_keys(show: Callable[..., Opened]) -> None:
    opened = show()
    opened.cell(0, 0).click()
    ways = opened.page.locator('.list button[tabindex="0"]')
    assert ways.count() == 1
    ways.focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("Enter")
    assert "float64" in opened.page.locator(".detail h3").inner_text()
    assert ways.count() == 1
    assert opened.page.get_by_role("dialog", name="pytorch.packed matches_reference").count() == 1
    assert opened.page.get_by_role("region", name="results").count() == 1


def test_an_address_in_the_matrix_is_not_moved_by_its_filters(show: Callable[..., Opened]) -> None:
    page = show(anchor="#topic-rnn", viewport={"width": 1200, "height": 200}).page
    assert 0 <= page.locator("#topic-rnn").evaluate("head => head.getBoundingClientRect().top") < 40


def test_addresses_lead_to_a_cell_and_to_a_divergence(show: Callable[..., Opened]) -> None:
    opened = show(anchor="#rnn.lstm/pytorch.padded/matches_reference")
    assert "pytorch.padded" in opened.page.locator("dialog h2").inner_text()
    opened.page.keyboard.press("Escape")
    assert opened.page.evaluate("document.activeElement.closest('tr').dataset.row") == "1"
    opened.page.evaluate("location.hash = 'rnn.lstm/nonsense/repeatable'")
    opened.page.wait_for_function("document.querySelector('#astray').textContent.includes('nonsense')")
    opened.page.evaluate("location.hash = 'loss.denominator'")
    opened.page.wait_for_selector("details#loss\\.denominator[open]")
    assert opened.page.locator("details#loss\\.denominator pre").first.is_visible()
    assert opened.page.locator("#astray").inner_text() == ""


def test_the_theme_is_switched_and_remembered(show: Callable[..., Opened]) -> None:
    opened = show(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = opened.page.evaluate(paper)
    opened.page.select_option("#theme", "dark")
    dark = opened.page.evaluate(paper)
    assert dark != light
    opened.goto()
    assert opened.page.evaluate(paper) == dark
    assert show(color_scheme="dark").page.evaluate(paper) == dark


def test_paper_is_white_whatever_the_screen(show: Callable[..., Opened]) -> None:
    page = show(color_scheme="dark").page
    page.select_option("#theme", "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


CONTRASTS = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = colour => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const fill = part => light(getComputedStyle(part).fill);
  const rows = [[0.05, 0.2, 0.5, 1, 2, 4, 8, 16, 32, 63, 64, 70]];
  const heat = { quantity: "y", lengths: [9], steps: 12, left: false, together: 1, rows };
  document.body.append(heatMap(heat, { quantity: "y", worst_index: [0, 0] }, 64));
  return $$("svg.heat g").map(one => [fill($(".square", one)), fill($(".value", one))])
    .map(pair => Math.max(...pair) / Math.min(...pair));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_on_a_heat_map_can_be_read(scheme: str, show: Callable[..., Opened]) -> None:
    contrasts = show(color_scheme=scheme).page.evaluate(CONTRASTS)
    assert len(contrasts) == 12
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("width", [400, 1200, 2000])
def test_nothing_is_wider_than_the_window(width: int, show: Callable[..., Opened]) -> None:
    opened = show(viewport={"width": width, "height": 900})
    for part in opened.page.locator("details").all():
        part.evaluate("part => { part.open = true; }")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.cell(0, 0).click()
    assert opened.page.evaluate("document.querySelector('dialog').scrollWidth") <= width


EVERY_CELL = """() => [...document.querySelectorAll("tr[data-row] button")].flatMap(button => {
  button.click();
  const box = document.querySelector("dialog"), tags = [...box.querySelectorAll("*")].map(part => part.localName);
  box.close();
  return tags;
})"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_does_nothing_and_can_be_read(name: str, show: Callable[..., Opened]) -> None:
    opened = show(record_of(HOSTILE[name]))
    tags = opened.page.evaluate(EVERY_CELL)
    assert "h2" in tags
    assert not {"script", "img", "a", "iframe", "object", "style"} & set(tags)
    opened.page.select_option("select[name=status]", "failed")
    assert opened.page.locator("tr[data-row]:visible").count() == 1


def test_without_a_script_it_can_still_be_read(browser: Browser, tmp_path: Path) -> None:
    report.write(RECORD, tmp_path)
    page = browser.new_page(java_script_enabled=False)
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("tr[data-row]").count() == 4
    assert not page.locator(".filters").is_visible()
    assert "70 noise floors off" in page.locator("#failures").inner_text()
    page.close()
