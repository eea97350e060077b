"""Test the page in a real browser: filters, dialogs, links and keys work, and it requests nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from parity import report
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, FirstDifference, HeatMap, Result, Scores, Status
from parity.report import Report
from tests.factories import (
    HOSTILE,
    benchmarks,
    curve,
    divergence,
    hostile_report,
    mutant,
    report_of,
    result,
    small_report,
)
from tests.full_runs import every_other

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect  # waits, without the eval() that the page's content security policy forbids

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
PATIENCE = 30_000  # milliseconds: other processes share the machine

SCORED: dict[str, Any] = {"norm_score": 3.0, "max_abs_error": 1e-5, "worst_index": (2, 2, 0), "compared": 18}
SCORED |= {"observed": 0.125, "expected": 0.25}
WRONG = SCORED | {
    "score": 70.0,
    "scores": {"y": Scores(70.0, 3.0)},
    "first": FirstDifference(2, "y"),
    "histogram": (5, 4, 3, 2, 1, 1, 0, 0, 1, 1),
    "heat_map": HeatMap(
        "y",
        lengths=(1, 0, 3),
        steps=3,
        left=False,
        steps_per_column=1,
        rows=((1.2, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, None, 70.0)),
    ),
}
RIGHT = SCORED | {"score": 3.9, "scores": {"y": Scores(3.9, 1.0), "h": Scores(0.25, 0.5)}, "histogram": (9,) * 10}


def result_of(subject: str, contract: str, status: Status, dtype: str = "float32", **fields: Any) -> Result:
    framework, _, variant = subject.partition(".")
    return result(status, Check("rnn.lstm", framework, variant, dtype, contract), **fields)


REPORT = report_of(
    result_of("pytorch.packed", "matches_reference", FAILED, **WRONG),
    result_of("pytorch.packed", "matches_reference", PASSED, "float64", **RIGHT),
    result_of("pytorch.packed", "repeatable", PASSED, score=0.0, limit=0.0, scores={"y": Scores(0.0, 0.0)}),
    result_of("pytorch.padded", "matches_reference", PASSED, **RIGHT | {"scores": {"y": Scores(16.5, 1.0)}}),
    result_of(
        "tensorflow.masked",
        "matches_reference",
        PASSED,
        **RIGHT | {"scores": {"y": Scores(3.9, 1.0), "h": Scores(5.2, 0.5)}},
    ),
    result_of("tensorflow.masked", "matches_reference", XFAILED, problem="raised", detail="no index but 0"),
    result_of("tensorflow.static", "repeatable", SKIPPED, detail="no module named 'tensorflow'"),
    planned=6,
    checked=6,
    divergences=[divergence("loss.denominator")],
    training=[curve()],
    mutants=[mutant()],
)


@dataclass
class Opened:
    """A page in a browser, the messages that it gave and the addresses that it requested."""

    page: Page
    file: Path
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def goto(self, anchor: str = "") -> None:
        self.page.goto(self.file.as_uri() + anchor)
        expect(self.page.locator("html[data-ready]")).to_be_attached()

    def lay_out_all(self) -> None:
        """Lay out what is out of sight, too: a browser gives no inner text of it otherwise."""
        self.page.add_style_tag(content=".topic .scroll { content-visibility: visible; }")

    def cell(self, row: int, column: int) -> Locator:
        return self.page.locator(f'tr[data-row="{row}"] td').nth(column).locator("button")

    @property
    def cells(self) -> Locator:
        return self.page.locator("tr[data-row] td button")

    @property
    def focus(self) -> Locator:
        return self.page.locator(":focus")


Show = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start headless Chromium; skip, by name, where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Return a function that opens the page of a report; check at the end that it gave no message and no request."""
    pages: list[Opened] = []

    def _show(made: Report = REPORT, anchor: str = "", **options: Any) -> Opened:
        report.write(made, tmp_path)
        opened = Opened(browser.new_page(**options), tmp_path / "index.html")
        opened.page.set_default_timeout(PATIENCE)
        opened.page.on("console", lambda message: opened.messages.append(message.text))
        opened.page.on("pageerror", lambda error: opened.messages.append(str(error)))
        opened.page.on("dialog", lambda box: (opened.messages.append(f"alert {box.message}"), box.dismiss()))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        pages.append(opened)
        opened.goto(anchor)
        return opened

    yield _show
    for opened in pages:
        opened.page.close()
        assert opened.messages == []
        assert {re.split("[?#]", url)[0] for url in opened.requests} == {opened.file.as_uri()}


def test_the_verdict_and_every_section_are_there(show: Show) -> None:
    page = show().page
    expect(page.locator(".verdict")).to_contain_text("1 of 6 checks failed")
    for link in page.locator("nav a").all():
        expect(page.locator(str(link.get_attribute("href")))).to_have_count(1)


def test_filters_leave_the_variants_that_match(show: Show) -> None:
    page = show().page
    shown, rows = page.locator("output[name=shown]"), page.locator("tr[data-row]:visible")
    expect(shown).to_have_text("4 of 4 variants")
    expect(rows).to_have_count(4)
    page.fill("input[name=text]", "LSTM packed")
    expect(shown).to_have_text("1 of 4 variants")
    expect(rows).to_have_count(1)
    page.click("button[type=reset]")
    expect(shown).to_have_text("4 of 4 variants")
    page.select_option("select[name=framework]", "tensorflow")
    expect(rows).to_have_count(2)
    page.select_option("select[name=status]", "skipped")
    expect(rows.locator("th")).to_have_text(["tensorflow.static"])
    assert page.evaluate("location.search") == "?framework=tensorflow&status=skipped"
    page.reload()  # the filters are in the address
    expect(rows.locator("th")).to_have_text(["tensorflow.static"])


def test_a_filter_shows_the_same_as_the_whole_page_for_the_same_results(show: Show) -> None:
    """Check the two summaries of a cell: by Python for pages without a script, and by the script for filters."""
    opened = show()
    opened.lay_out_all()
    texts = opened.cells.all_inner_texts()
    labels = [str(cell.get_attribute("aria-label")) for cell in opened.cells.all()]
    assert texts[0] == "✗ 1"
    assert texts[2] == "16"  # both round a half to the even digit
    opened.page.select_option("select[name=mode]", "eager")
    expect(opened.cells).to_have_text(texts, use_inner_text=True)
    for index, label in enumerate(labels):
        expect(opened.cells.nth(index)).to_have_attribute("aria-label", label)
    opened.page.select_option("select[name=dtype]", "float64")
    expect(opened.cell(0, 0)).to_have_text("3.9")
    expect(opened.cell(0, 0)).to_have_attribute("aria-label", "matches_reference: holds, worst score 3.9")
    opened.page.select_option("select[name=dtype]", "")
    opened.page.select_option("select[name=mode]", "")
    expect(opened.cells).to_have_text(texts, use_inner_text=True)


def test_the_order_is_worst_first_or_by_name_or_as_written(show: Show) -> None:
    page = show().page
    names = page.locator("tr[data-row] th")
    before = names.all_text_contents()
    page.select_option("select[name=order]", "worst")
    expect(names.nth(0)).to_have_text("pytorch.packed")
    expect(names.nth(1)).to_have_text("pytorch.padded")
    page.select_option("select[name=order]", "name")
    expect(names).to_have_text(sorted(before))
    page.select_option("select[name=order]", "")
    expect(names).to_have_text(before)


def test_a_cell_opens_its_results(show: Show) -> None:
    opened = show()
    opened.cell(0, 0).click()
    box = opened.page.locator("dialog")
    for text in (
        "70 of 64",
        "3 of 16",
        "(2, 2, 0)",
        "relative error0.5value of pytorch.packed0.125value of the reference0.25",
        "lengths of the batch1, 0, 3",
        "y of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) is 70 noise floors off the reference",
        "it differs from the reference at step 2",
        REPORT.results[0].reproduce,
    ):
        expect(box).to_contain_text(text)
    expect(box.locator(".heat-map [fill='url(#hatch)']")).to_have_count(5)  # 9 steps, 4 of them real
    expect(box.locator(".heat-map .over")).to_have_count(2)  # 70, and a score that is not finite
    expect(box.locator(".heat-map .worst")).to_have_count(1)
    expect(box.locator(".histogram rect.of-pytorch")).to_have_count(8)
    expect(box.locator(".histogram rect.of-tensorflow")).to_have_count(10)  # of the other framework
    box.locator(".results tbody tr").nth(1).click()
    expect(box).to_contain_text("3.9 of 64")
    opened.page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_a_plot_that_fails_leaves_the_rest_of_the_result(show: Show) -> None:
    opened = show()
    opened.page.evaluate("() => { histogram = heatMap = () => { throw new RangeError('no space') } }")
    opened.cell(0, 0).click()
    box = opened.page.locator("dialog")
    expect(box.get_by_text("This plot could not be drawn: no space")).to_have_count(2)
    expect(box).to_contain_text("parity check --operation rnn.lstm")


IS_UNCOVERED = """element => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [[left + 3, top + height / 2], [left + width / 2, top + 3]]
    .every(point => element.contains(document.elementFromPoint(...point)));
}"""
VARIANTS = ("pytorch.packed", "pytorch.padded", "tensorflow.masked", "tensorflow.static", "tensorflow.padded")
WIDE = report_of(
    *(result_of(variant, contract, PASSED, **RIGHT) for variant in VARIANTS for contract in CONTRACTS),
    planned=len(VARIANTS),
    checked=len(VARIANTS),
)


CUT_HEADS = """heads => heads.filter(head => {
  const text = document.createRange();
  text.selectNodeContents(head);
  const ends = [...text.getClientRects()].map(({ right }) => right);
  return Math.max(...ends) > head.getBoundingClientRect().right + 0.5;
}).map(head => head.textContent)"""


@pytest.mark.parametrize("width", [400, 1200])
def test_a_head_covers_no_other_head_and_not_the_cell_with_the_focus(width: int, show: Show) -> None:
    opened = show(WIDE, viewport={"width": width, "height": 260})
    assert opened.page.locator(".matrix th").evaluate_all(CUT_HEADS) == []
    opened.cell(0, 0).focus()
    for key, times in {"ArrowDown": 4, "ArrowRight": 8, "ArrowUp": 4, "ArrowLeft": 8}.items():
        for _ in range(times):
            opened.page.keyboard.press(key)
            assert opened.focus.evaluate(IS_UNCOVERED), key


def test_arrow_keys_move_through_the_matrix(show: Show) -> None:
    opened = show()
    opened.cell(0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp"):
        opened.page.keyboard.press(key)
    opened.page.keyboard.press("Enter")
    expect(opened.page.locator("dialog header")).to_contain_text("repeatable")


def test_a_filter_leaves_a_way_into_the_matrix_by_key(show: Show) -> None:
    opened = show()
    page = opened.page
    page.fill("input[name=text]", "static")
    expect(page.locator('#matrix td button[tabindex="0"]')).to_have_count(1)
    page.focus("#matrix .scroll")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past the link in the first head
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator('tr[data-row="3"] button:focus')).to_have_count(1)
    page.fill("input[name=text]", "no such thing")
    expect(page.locator("#no-variant")).to_be_visible()
    page.click("#no-variant button")
    expect(page.locator("output[name=shown]")).to_have_text("4 of 4 variants")


def test_an_opened_cell_has_the_number_of_the_matrix(show: Show) -> None:
    opened = show()
    opened.lay_out_all()
    for row, name in ((1, []), (2, ["h"])):  # the worst element need not be of the quantity nearest to its limit
        (number, *_) = opened.cell(row, 0).inner_text().split()
        opened.cell(row, 0).click()
        element = opened.page.locator(".results tr.passed td:nth-child(6)")
        expect(element).to_have_text(" ".join([number, *name]))
        opened.page.keyboard.press("Escape")


def test_a_filter_applies_to_an_opened_cell(show: Show) -> None:
    opened = show()
    opened.page.select_option("select[name=dtype]", "float64")
    opened.cell(0, 0).click()
    box, lines = opened.page.locator("dialog"), opened.page.locator(".results tbody tr")
    expect(lines).to_have_count(1)
    expect(box).to_contain_text("hides 1 of")
    box.get_by_text("Show them").click()
    expect(lines).to_have_count(2)
    expect(box).not_to_contain_text("hides")


def test_a_narrow_screen_scrolls_to_the_chosen_result(show: Show) -> None:
    opened = show(viewport={"width": 400, "height": 700})
    opened.cell(0, 0).click()
    opened.page.locator(".results tbody tr").nth(1).click()
    expect(opened.focus).to_contain_text("float64")
    assert opened.page.locator(".detail h3").evaluate("head => head.getBoundingClientRect().top") < 350


def test_arrow_keys_move_through_the_results_of_a_cell(show: Show) -> None:
    opened = show()
    opened.cell(0, 0).click()
    reachable = opened.page.locator('.list button[tabindex="0"]')
    expect(reachable).to_have_count(1)
    reachable.focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("Enter")
    expect(opened.page.locator(".detail h3")).to_contain_text("float64")
    expect(reachable).to_have_count(1)
    expect(opened.page.get_by_role("dialog", name="pytorch.packed matches_reference")).to_have_count(1)
    expect(opened.page.get_by_role("region", name="Results of this cell")).to_have_count(1)


def test_filters_do_not_move_an_address_in_the_matrix(show: Show) -> None:
    page = show(anchor="#topic-rnn", viewport={"width": 1200, "height": 200}).page
    assert 0 <= page.locator("#topic-rnn").evaluate("head => head.getBoundingClientRect().top") < 100


def test_addresses_lead_to_a_cell_and_to_a_divergence(show: Show) -> None:
    opened = show(anchor="#rnn.lstm/pytorch.padded/matches_reference")
    page = opened.page
    expect(page.locator("dialog h2")).to_contain_text("pytorch.padded")
    page.keyboard.press("Escape")
    expect(page.locator('tr[data-row="1"] button:focus')).to_have_count(1)
    page.evaluate("location.hash = 'rnn.lstm/nonsense/repeatable'")
    expect(page.locator("#not-found")).to_contain_text("nonsense")
    page.evaluate("location.hash = 'loss.denominator'")
    expect(page.locator("details#loss\\.denominator[open] pre").first).to_be_visible()
    expect(page.locator("#not-found")).to_have_text("")


def test_one_search_finds_operations_divergences_and_mutants(show: Show) -> None:
    page = show().page
    hits = page.locator("#found a")
    for words, titles in (("packed LSTM", 1), ("ignore_index F.cross_entropy", 1), (REPORT.mutants[0].name, 1)):
        page.fill("#search", words)
        expect(hits).to_have_count(titles)
    page.fill("#search", "no such word anywhere")
    expect(page.locator("#found")).to_have_text("Nothing has all of these words.")
    page.fill("#search", "sample_weight")
    hits.first.click()
    expect(page.locator("details#loss\\.denominator[open] pre").first).to_be_visible()
    expect(page.locator("#found")).to_be_hidden()
    assert page.locator("nav.sections").evaluate("bar => bar.getBoundingClientRect().top") == 0  # it stays in sight


CUT = """links => links.filter(link => {
  const { right, top, bottom } = link.getBoundingClientRect();
  return !link.contains(document.elementFromPoint(right - 2, (top + bottom) / 2));
}).map(link => link.textContent)"""


@pytest.mark.parametrize("width", [400, 1200, 2000])
def test_the_section_bar_shows_all_its_links_and_covers_no_heading(width: int, show: Show) -> None:
    page = show(small_report(), viewport={"width": width, "height": 900}).page
    links = page.locator("nav.sections > ul a")
    expect(links).to_have_count(12)
    assert links.evaluate_all(CUT) == []
    page.evaluate("location.hash = 'mutants'")
    bottom = page.locator("nav.sections").evaluate("bar => bar.getBoundingClientRect().bottom")
    assert page.locator("#mutants").evaluate("section => section.getBoundingClientRect().top") >= bottom


def test_the_chosen_theme_is_stored(show: Show) -> None:
    opened = show(color_scheme="light")
    body = opened.page.locator("body")
    background = "body => getComputedStyle(body).backgroundColor"
    light = body.evaluate(background)
    opened.page.select_option("#theme", "dark")
    expect(body).not_to_have_css("background-color", light)
    dark = body.evaluate(background)
    opened.goto()
    expect(body).to_have_css("background-color", dark)
    expect(show(color_scheme="dark").page.locator("body")).to_have_css("background-color", dark)


def test_paper_is_white_whatever_the_screen(show: Show) -> None:
    page = show(color_scheme="dark").page
    page.select_option("#theme", "dark")
    page.emulate_media(media="print")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator("html")).to_have_css("color-scheme", "light")


CONTRASTS = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = colour => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const fill = element => luminance(getComputedStyle(element).fill);
  const rows = [[0.05, 0.2, 0.5, 1, 2, 4, 8, 16, 32, 63, 64, 70]];
  const map = { quantity: "y", lengths: [9], steps: 12, left: false, steps_per_column: 1, rows };
  document.body.append(heatMap(map, { quantity: "y", worst_index: [0, 0] }, 64));
  return $$("svg.heat-map g").map(each => [fill($(".square", each)), fill($(".value", each))])
    .map(pair => Math.max(...pair) / Math.min(...pair));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_on_a_heat_map_is_legible(scheme: str, show: Show) -> None:
    contrasts = show(color_scheme=scheme).page.evaluate(CONTRASTS)
    assert len(contrasts) == 12
    assert min(contrasts) >= 4.5


COLLISIONS = """() => {
  const box = element => element.getBoundingClientRect();
  const overlap = (one, other, low, high) => Math.min(one[high], other[high]) - Math.max(one[low], other[low]);
  const meet = (one, other) => overlap(one, other, "left", "right") > 1 && overlap(one, other, "top", "bottom") > 1.5;
  const marks = plot => (plot.matches(".plot") ? $$("circle, polygon", plot) : []);
  return $$("svg.plot, dialog svg").flatMap(plot => {
    const labels = $$("text", plot);
    const pairs = labels.flatMap((label, at) => [...labels.slice(at + 1), ...marks(plot)].map(other => [label, other]));
    return pairs.filter(pair => meet(...pair.map(box))).map(pair => pair.map(each => each.textContent).join(" | "));
  });
}"""


MISPLACED = """() => {
  const box = element => element.getBoundingClientRect();
  const cut = $$("svg.plot text").filter(text => box(text).left < box(text.closest("svg")).left - 0.5);
  const figures = $$(".panels figure").filter(figure => $("figcaption", figure) && $("svg", figure));
  const uneven = figures.flatMap((one, at) => figures.slice(at + 1).filter(other =>
    one.parentElement === other.parentElement && box(one).top === box(other).top &&
    Math.abs(box($("svg", one)).top - box($("svg", other)).top) > 0.5));
  return [...cut, ...uneven.map(each => $("figcaption", each))].map(each => each.textContent);
}"""


def test_nothing_is_wider_than_the_window_and_no_label_on_another_or_on_a_mark(show: Show) -> None:
    opened = show(replace(REPORT, throughput=benchmarks()))
    for width in (400, 1200, 2000):
        opened.page.set_viewport_size({"width": width, "height": 900})
        opened.page.evaluate("for (const each of $$('details')) each.open = true;")
        scroll_width = "element => element.scrollWidth"
        assert opened.page.locator("html").evaluate(scroll_width) <= width
        opened.cell(0, 0).click()
        assert opened.page.locator("dialog").evaluate(scroll_width) <= width
        assert opened.page.locator("svg.plot, dialog svg").count() == 6
        assert opened.page.evaluate(COLLISIONS) == []
        assert opened.page.evaluate(MISPLACED) == []
        last = opened.page.locator("dialog .histogram").bounding_box()
        assert last is not None
        assert last["x"] + last["width"] <= width  # the bar of ∞ is in sight
        opened.page.keyboard.press("Escape")


def test_axe_finds_no_violation_in_either_theme(show: Show) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = Path(package.__path__[0], "axe.min.js").read_text(encoding="utf-8")
    violations = """async ([within, rules]) => {
      const { violations } = await axe.run(within, rules ? { runOnly: rules } : {});
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
    }"""
    page = show(replace(REPORT, throughput=benchmarks())).page
    page.evaluate(f"{script}; for (const each of $$('details')) each.open = true;")
    page.fill("#search", "mask")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(violations, ["html", None]) == []
    page.emulate_media(color_scheme="dark")  # which changes colours only
    assert page.evaluate(violations, ["html", ["color-contrast"]]) == []
    page.locator("tr[data-row] td button").first.click()
    assert page.evaluate(violations, ["dialog", None]) == []


OPEN_EVERY_CELL = """buttons => buttons.flatMap(button => {
  button.click();
  const box = document.querySelector("dialog");
  const tags = [...box.querySelectorAll("*")].map(element => element.localName);
  box.close();
  return tags;
})"""


@pytest.mark.parametrize("name", every_other(HOSTILE))  # a browser takes long; test_hostile.py tries each
def test_hostile_text_is_inert_and_visible(name: str, show: Show) -> None:
    opened = show(hostile_report(HOSTILE[name]))
    tags = opened.cells.evaluate_all(OPEN_EVERY_CELL)
    assert "h2" in tags
    assert not {"script", "img", "a", "iframe", "object", "style"} & set(tags)
    opened.page.select_option("select[name=status]", "failed")
    expect(opened.page.locator("tr[data-row]:visible")).to_have_count(1)


def test_the_page_is_readable_without_its_script(browser: Browser, tmp_path: Path) -> None:
    report.write(REPORT, tmp_path)
    page = browser.new_page(java_script_enabled=False)
    page.goto((tmp_path / "index.html").as_uri())
    expect(page.locator("tr[data-row]")).to_have_count(4)
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("#failures")).to_contain_text("70 noise floors off")
    page.close()
