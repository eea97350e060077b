"""Mark up Python code for the page, which has no script that could: keywords, strings, numbers and comments."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Number, Operator, String

from parity.divergences.entry import as_program
from parity.errors import printable

KINDS = {Keyword: "k", Operator.Word: "k", String: "s", Number: "m", Comment: "c"}  # kind of token -> class
LONGEST = 20_000  # characters that are marked up


def highlighted_program(code: str) -> Markup:
    """Return a snippet as a program that runs as it stands, marked up.

    >>> print(highlighted_program("return None"))
    print(<span class="k">None</span>)
    """
    program = "\n".join(map(printable, as_program(code).split("\n")))
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    tokens = lexer.get_tokens(program[:LONGEST])
    runs = groupby(tokens, key=lambda token: _class(token[0]))  # a string is three tokens, and one element
    return Markup("").join([*(_run(name, run) for name, run in runs), program[LONGEST:]])


def _class(kind: object) -> str:
    return next((name for of_kind, name in KINDS.items() if kind in of_kind), "")


def _run(name: str, tokens: Iterable[tuple[object, str]]) -> Markup:
    text = "".join(text for _, text in tokens)
    return Markup('<span class="{}">{}</span>').format(name, text) if name else escape(text)
