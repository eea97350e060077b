"""Generate a page for each divergence, and one that lists them by topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.generating.markdown import code, escaped, fenced, table
from parity.divergences import DIVERGENCES, VERDICTS, Divergence
from parity.divergences.entry import shown

FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
INTRODUCTION = """# Divergences

What the frameworks do differently, and what tutorials and answers state about padding. Each of the {count} entries is
code that runs, in every `parity check` and every `pytest`; an entry whose values changed fails. The search of this site
finds them by any word of their text or code, such as `mask_zero`. In a terminal,
`parity divergences --search mask_zero` does.

```{{generated}} verdicts
```
"""


def divergence_pages() -> dict[str, str]:
    """Return the text of each page by its name, without folder and ending."""
    return {"index": _index()} | {name: _page(entry) for name, entry in DIVERGENCES.items()}


def _index() -> str:
    topics: dict[str, list[Divergence]] = {}
    for entry in DIVERGENCES.values():
        topics.setdefault(entry.name.partition(".")[0], []).append(entry)
    sections = (f"## {topic.capitalize()}\n\n{_contents(entries)}" for topic, entries in topics.items())
    return "\n".join([INTRODUCTION.format(count=len(DIVERGENCES)), *sections])


def _contents(entries: Iterable[Divergence]) -> str:
    rows = ([f"[{escaped(entry.claim)}]({entry.name}.md)", f"**{entry.verdict}**"] for entry in entries)
    return table(["claim", "verdict"], rows)


def _page(entry: Divergence) -> str:
    return "\n".join(_parts(entry))


def _parts(entry: Divergence) -> Iterator[str]:
    yield "---\norphan: true\n---\n"  # in no menu: a hundred lines of it on each page would take most of the build
    yield f"# {escaped(entry.claim.removesuffix('.'))}\n"
    meaning, topic = escaped(VERDICTS[entry.verdict]), entry.name.partition(".")[0]
    others = f"[the divergences about {topic}](index.md#{topic})"
    yield f"**{entry.verdict.capitalize()}**: {meaning}. {code(entry.name)}, one of {others}.\n"
    yield "## What happens\n"
    yield table(["framework", "value", "is"], _values(entry))
    yield f"{escaped(entry.why)}\n"
    yield f"## Do this instead\n\n{escaped(entry.instead)}\n"
    if entry.operation:
        operations = "[operations](../reference/operations.md)"
        yield f"Implemented so in both frameworks: {code(entry.operation)}, one of the {operations}.\n"
    for framework in entry.snippets:
        yield f"## The code in {FRAMEWORKS[framework]}\n\n{fenced(entry.program(framework), 'python')}"
    yield f"To run it here, and compare the values:\n\n{fenced(f'parity divergences {entry.name}', 'sh')}"
    yield "## Sources\n"
    yield "\n".join(f"- <{source}>" for source in entry.sources) + "\n"


def _values(entry: Divergence) -> Iterator[list[str]]:
    for framework in entry.snippets:
        for name, value in entry.expected[framework].items():
            yield [FRAMEWORKS[framework], escaped(name), code(shown(value))]
