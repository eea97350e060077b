"""Mark up Python code for the page, which has no script that could: keywords, strings, numbers and comments."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Number, Operator, String

from parity.divergences.entry import as_program
from parity.errors import printable

# kind of token -> element; one without a class takes a third of the bytes, and a page has ten thousand
KINDS = {Keyword: "b", Operator.Word: "b", String: "i", Number: "u", Comment: "em"}
LONGEST = 20_000  # characters that are marked up


def highlighted_program(code: str) -> Markup:
    """Return a snippet as a program that runs as it stands, marked up.

    >>> print(highlighted_program("return None"))
    print(<b>None</b>)
    """
    program = "\n".join(map(printable, as_program(code).split("\n")))
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    tokens = lexer.get_tokens(program[:LONGEST])
    runs = groupby(tokens, key=lambda token: _element(token[0]))  # a string is three tokens, and one element
    return Markup("").join([*(_run(name, run) for name, run in runs), program[LONGEST:]])


def _element(kind: object) -> str:
    return next((name for of_kind, name in KINDS.items() if kind in of_kind), "")


def _run(name: str, tokens: Iterable[tuple[object, str]]) -> Markup:
    text = "".join(text for _, text in tokens)
    return Markup("<{0}>{1}</{0}>").format(name, text) if name else escape(text)
