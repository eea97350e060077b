"""Parse Markdown and HTML for tests: the structure apart from the text."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt

# elements that depend on the text between them
TEXT_LEVEL = {("wbr",), ("span", "class")} | {
    (tag,) for name in ("code", "span", "b", "i", "u", "em") for tag in (name, f"/{name}")
}
VOID = ("meta", "br", "wbr", "link", "img", "input")  # have no end tag


class Tree(HTMLParser):
    """Tags with the names of their attributes, the targets of links, ids, and the text between tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.unclosed: list[str] = []
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag
        self.tags.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def unknown_decl(self, data: str) -> None:
        self.tags.append(("declaration", data))

    @property
    def structure(self) -> list[tuple[str, ...]]:
        """Return the tags without those that depend on the text between them."""
        return [tag for tag in self.tags if tag not in TEXT_LEVEL]


def markdown_structure(markdown: str) -> Iterator[tuple[str, ...]]:
    """Yield the blocks and spans of a document, without its text."""
    for block in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield block.type, block.tag, str(block.attrs)
        for span in block.children or ():
            if span.type != "text":
                yield span.type, span.tag, str(span.attrs), span.content


def markdown_text(markdown: str) -> str:
    """Return the text of a document."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    return "".join(span.content for block in blocks for span in block.children or [block])
