"""Build the documentation, and check its links, its search and its pages.

Needs Sphinx, which ``pip install -e ".[docs]"`` installs; skipped, by name, where it is not.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.generating import divergence_pages
from parity.divergences import DIVERGENCES

ABSENT = [name for name in ("sphinx", "myst_parser", "furo", "sphinx_copybutton") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"


class Anchors(HTMLParser):
    """The links of a page, and what others can link to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect addresses and ids."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.ids.add(value)


@pytest.fixture(scope="module")
def site() -> Path:
    """Build the site, or what has changed since it was built; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(SITE)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return SITE


@cache
def anchors(file: Path) -> Anchors:
    """Return the links and ids of a file, read once."""
    return Anchors(file.read_text(encoding="utf-8"))


def dead(page: Path, link: str) -> bool:
    """Tell whether a link within the site leads nowhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists():
        return True
    return bool(parts.fragment) and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target).ids


def test_no_link_within_the_site_is_dead(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(DIVERGENCES)
    assert not [(page.name, link) for page in pages for link in anchors(page).links if dead(page, link)]


def test_a_dead_link_is_noticed(site: Path) -> None:
    assert dead(site / "index.html", "nowhere.html")
    assert dead(site / "index.html", "divergences/index.html#nothing")


def found_by(site: Path, word: str) -> set[str]:
    """Return the documents that the search of the site has for a word, in their titles or in their text."""
    text = (site / "searchindex.js").read_text(encoding="utf-8").strip()
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    found: set[str] = set()
    for terms in (index["titleterms"], index["terms"]):
        numbers = terms.get(word, [])
        found |= {index["docnames"][n] for n in (numbers if isinstance(numbers, list) else [numbers])}
    return found


def test_the_search_finds_all_entries_about_mask_zero(site: Path) -> None:
    word = re.compile(r"\bmask_zero\b")
    pages = {name for name, text in divergence_pages().items() if word.search(text)}
    assert len(pages) > 10
    assert {f"divergences/{name}" for name in pages} <= found_by(site, "mask_zero")
    assert "how-to/ci" not in found_by(site, "mask_zero")


def test_code_can_be_copied(site: Path) -> None:
    page = (site / "divergences" / "packing.last_output.html").read_text(encoding="utf-8")
    assert "copybutton.js" in page
    assert page.count("highlight-python") == 2
