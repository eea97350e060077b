"""A Sphinx extension: a directive for generated sections, and pages for the divergences, written before the build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from docs.generating import ROOT, SECTIONS, divergence_pages

FOLDER = "divergences"


class Generated(SphinxDirective):
    """Insert the section that is generated under a name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the section."""
        text = SECTIONS[self.arguments[0]]()
        to_root = "../" * self.env.docname.count("/")
        return self.parse_text_to_nodes(text.replace(ROOT, to_root), allow_section_headings=True)


def write_divergences(app: Sphinx) -> None:
    """Write the pages that changed, and remove those of entries that are gone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{name}.md": text for name, text in divergence_pages().items()}
    for file in set(folder.glob("*.md")) - set(pages):
        file.unlink()
    for file, text in pages.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def refuse_frameworks(_: Sphinx, exception: Exception | None) -> None:
    """Fail if the build loaded a framework, which would take longer than all the rest."""
    loaded = {"torch", "tensorflow", "keras"} & set(sys.modules)
    if loaded and not exception:
        raise ExtensionError(f"the build of the documentation loaded {', '.join(sorted(loaded))}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive and the two handlers."""
    app.add_directive("generated", Generated)
    app.connect("builder-inited", write_divergences)
    app.connect("build-finished", refuse_frameworks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
