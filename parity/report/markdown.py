"""Render a report as Markdown for a job summary or a pull request: the worst first, within a size limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, XFAILED, Result
from parity.checks.sentences import sentence
from parity.divergences import DivergenceEntry
from parity.mutants import MutantResult
from parity.pairs.layers import LayerDifference
from parity.report.formatting import MEANINGS, SYMBOLS, plural, several
from parity.report.groups import Group, group_by
from parity.report.markdown_text import (
    Part,
    code_block,
    escape,
    join_parts,
    one_line,
    shorten,
    table_head,
    table_row,
    with_commands,
)
from parity.report.own import OwnContract, OwnView
from parity.report.summaries import MUTANT_HEADS, TOTALS_HEADS
from parity.report.table import Cell, Column, Matrix, Row
from parity.report.view import EXPECTED_FAILURES, TITLE, View

LIMIT = 64_000  # bytes; a job summary may have a megabyte, a comment 65 536 characters
LONGEST, LONGEST_COMMAND = 300, 1000  # characters of a text of the report, and of a command
MORE = "`index.html` beside this file shows every cell, divergence and mutant; `report.json` has all results."
VERSIONS = ("python", "torch", "tensorflow", "keras", "seed")  # of the environment, in the first lines
EXPECTED_HEADS = ("reason", "variants", "results")
FEW_LAYERS = 20  # that agree, before the first that differs
LAYER_HEADS = ("left", "right", "class", "in float64", "in the other dtype", "", "step")
CROSS = SYMBOLS[FAILED]
FOLDED_END = "\n</details>\n\n"


def render_markdown(view: View, limit: int = LIMIT) -> str:
    """Render as much of a report as fits into ``limit`` bytes of UTF-8, the most important first."""
    return join_parts(list(_parts(view)), limit)


def _parts(view: View) -> Iterator[Part]:
    yield Part("", [_top(view)], tail="")
    for own in view.own:
        yield Part("contracts", own.contracts, _own_contract, _own_head(own), share=0.5)
        if own.pair is not None:
            yield Part("layers", _from_the_first(own.pair.layers), _layer, f"\n{table_head(LAYER_HEADS)}", share=0.5)
    numbered = list(enumerate(view.failures, 1))
    yield Part("failures", numbered, _failure, "## Failures\n\nWorst first.\n\n", share=0.6)
    yield _list("divergences that are not as described", "Stale divergences", _stale(view), _text)
    yield _list("mutants that were not killed", "Surviving mutants", view.survivors, _survivor)
    yield _list("false alarms", "False alarms", view.false_alarms, _false_alarm)
    usual = _usual_limit(view)
    if view.matrices or not view.own:
        yield Part("", [f"## Operations against contracts\n\n{_legend(usual)}\n\n"], tail="")
    for matrix in sorted(view.matrices, key=lambda matrix: not any(map(_fails, matrix.rows))):
        yield _matrix(matrix, usual)
    expected = list(group_by(view.expected_failures, lambda group: group.worst.reason).items())
    head = f"{_folded('Expected failures', expected)}{EXPECTED_FAILURES}\n\n{table_head(EXPECTED_HEADS)}"
    yield Part("reasons for expected failures", expected, _expected_failure, head, FOLDED_END)
    yield _table("reasons for skipping", "Skipped", ("results", "frameworks", "reason"), view.skipped)
    entries = [entry for _, topic in view.divergences for entry in topic]
    head = f"{_folded('Where they differ', entries)}`parity divergences NAME` prints an entry.\n\n"
    yield Part("topics of divergences", view.divergences, _topic, head, FOLDED_END)
    yield _table("contracts", "Mutants", MUTANT_HEADS, view.kills)
    yield _table("rows", "Random cases", TOTALS_HEADS, view.sweep_totals)
    yield _table("settings", "Environment", ("", ""), view.environment)


def _list(name: str, title: str, items: Sequence[Any], render: Callable[[Any], str]) -> Part:
    return Part(name, items, lambda item: f"- {CROSS} {render(item)}\n", f"## {title}\n\n", share=0.6)


def _table(name: str, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Part:
    return Part(name, rows, _row, f"## {title}\n\n{table_head(heads)}")


def _row(cells: Iterable[str]) -> str:
    return table_row(map(_text, cells))


def _folded(title: str, items: Sequence[object]) -> str:
    """Return a heading, and the start of a block below it that a reader opens."""
    return f"## {title}\n\n<details><summary>{len(items)}</summary>\n\n"


def _top(view: View) -> str:
    mark = CROSS if view.failed else SYMBOLS["passed"]
    counts = " · ".join(f"{symbol} {meaning} {count}" for _, symbol, meaning, count in view.counts)
    environment = dict(view.environment)
    versions = ", ".join(f"{name} {shorten(environment[name], 40)}" for name in VERSIONS if name in environment)
    answered = "".join(f"- {with_commands(shorten(str(answer), 3 * LONGEST))}\n" for answer in view.answers)
    facts = [*view.facts[:8], ("with", versions)]
    lines = "".join(f"- {_text(name)}: {_text(text)}\n" for name, text in facts)
    return (
        f"# {TITLE}\n\n{view.question}\n\n{answered}\n"
        f"**{mark} {_text(view.verdict)}**\n\nResults: {counts}\n\n{lines}\n{MORE}\n\n"
    )


def _own_head(own: OwnView) -> str:
    first, *others = own.lines
    lines = "".join(f"- {_text(line.strip(), 3 * LONGEST)}\n" for line in [*others, *filter(None, [own.masks])])
    title = f"## {_text(own.title)}: {_text(own.name)}\n\n{_text(first, 10 * LONGEST)}\n\n"
    return f"{title}{lines}\n{table_head(['contract', '', *map(_text, own.dtypes), 'what was found'])}"


def _own_contract(contract: OwnContract) -> str:
    return _row([contract.name, SYMBOLS[contract.status], *contract.scores, contract.text])


def _from_the_first(layers: Sequence[LayerDifference]) -> Sequence[LayerDifference]:
    """Return the layers, the first that differs and those behind it before the others."""
    first = next((at for at, one in enumerate(layers) if one.differs), 0)
    return layers if first < FEW_LAYERS else [*layers[first - 1 :], *layers[: first - 1]]


def _layer(layer: LayerDifference) -> str:
    step = "" if layer.step < 0 else str(layer.step)
    sizes = ("" if size is None else f"{size:.1e}" for size in (layer.double, layer.single))
    return _row([layer.left, layer.right, layer.kind, *sizes, CROSS if layer.differs else "", step])


def _failure(numbered: tuple[int, Group]) -> str:
    position, group = numbered
    worst = group.worst
    heading = f"{_text(worst.operation)}, {_text(worst.subject)}: {_text(worst.contract)}"
    lines = [f"### {position}. {heading}\n", f"{CROSS} {_sentence(worst)}\n"]
    lines += [f"- {text}" for text in (group.measured, _text(group.others)) if text]
    return "\n".join([*lines, _command(worst.reproduce)])


def _sentence(result: Result) -> str:
    """Return the sentence about a result, every text in it shortened."""
    texts = {name: text for name, text in msgspec.structs.asdict(result).items() if isinstance(text, str)}
    short = {name: shorten(text, LONGEST) for name, text in texts.items()}
    return _text(sentence(msgspec.structs.replace(result, **short)), 10 * LONGEST)


def _command(command: str) -> str:
    """Return a command to copy; refer to report.json for a very long one."""
    length = len(one_line(command))
    elsewhere = f"# a command of {length} characters: report.json has it"
    return f"{code_block(command if length <= LONGEST_COMMAND else elsewhere)}\n"


def _stale(view: View) -> list[str]:
    trials = (trial for entry in view.stale for trial in entry.frameworks.values())
    return [trial.reason for trial in trials if trial.status == FAILED]


def _survivor(mutant: MutantResult) -> str:
    return f"{_text(mutant.name)} ({_text(mutant.mistake)}): {_text(mutant.reason)}"


def _false_alarm(result: Result) -> str:
    return f"{_sentence(result)}; reproduce: {_text(result.reproduce, LONGEST_COMMAND)}"


def _usual_limit(view: View) -> str:
    """Return the limit of most columns; heads that repeat it would take the room of entries."""
    limits = Counter(column.limit_text for matrix in view.matrices for column in matrix.columns if column.limit_text)
    return next((limit for limit, _ in limits.most_common(1)), "")


def _legend(usual: str) -> str:
    symbols = ", ".join(f"{symbol} {MEANINGS[status]}" for status, symbol in SYMBOLS.items())
    limit = f": {usual}, or what its head says" if usual else ""
    return f"A number is the worst score of a contract that holds, in noise floors{limit}. {symbols}."


def _fails(row: Row) -> bool:
    return any(cell.status == FAILED for cell in row.cells)


def _matrix(matrix: Matrix, usual: str) -> Part:
    """Return a topic as a table, open if a variant fails; a contract with a tick in every row takes no column."""
    failing, variants = sum(map(_fails, matrix.rows)), len(matrix.rows)
    summary = f"{failing} of {plural(variants, 'variant')} failing" if failing else plural(variants, "variant")
    details = f"<details{' open' if failing else ''}><summary>{summary}</summary>"
    ticked = [at for at in matrix.shown if all(_cell(row.cells[at]) == SYMBOLS[PASSED] for row in matrix.rows)]
    others = [at for at in matrix.shown if at not in ticked]
    names = ", ".join(_contract_name(matrix.columns[at]) for at in ticked)
    exact = f"{SYMBOLS[PASSED]} in every row (exact): {names}.\n\n" if names else ""

    def render(row: Row) -> str:
        return table_row([f"{_text(row.operation)} {_text(row.subject)}", *(_cell(row.cells[at]) for at in others)])

    heads = [_column_head(matrix.columns[at], usual) for at in others]
    head = f"### {_text(matrix.topic)}\n\n{details}\n\n{exact}{table_head(['', *heads])}"
    return Part("variants", matrix.rows, render, head, FOLDED_END)


def _column_head(column: Column, usual: str) -> str:
    """Return the name of a contract, and a limit of its own."""
    name = _contract_name(column)
    return f"{name} ({column.limit_text})" if column.limit_text not in ("", usual) else name


def _contract_name(column: Column) -> str:
    """Return the name of a contract with spaces, at which a narrow column breaks it."""
    return column.contract.replace("_", " ") if column.contract in CONTRACTS else _text(column.contract)


def _cell(cell: Cell) -> str:
    symbol = SYMBOLS[cell.status]
    if cell.status == FAILED:
        return f"**{symbol} {cell.counts[FAILED]}**"
    text = cell.number.replace("<", "&lt;") or symbol
    return f"{text} {SYMBOLS[XFAILED]}" if cell.has_expected_failures else text


def _expected_failure(of_reason: tuple[str, Sequence[Group]]) -> str:
    """Name the variants that share a reason; the page has the cases and the command of each."""
    reason, groups = of_reason
    variants = several(f"{group.worst.operation} {group.worst.subject}" for group in groups)
    return _row([reason, variants, str(sum(group.size for group in groups))])


def _topic(topic: tuple[str, Sequence[DivergenceEntry]]) -> str:
    """Name the entries of a topic by verdict, without their claims: there are more than a comment has room for."""
    name, entries = topic
    by_verdict = group_by(entries, lambda entry: entry.verdict)
    named = (f"{verdict}: {', '.join(entry.name for entry in group)}" for verdict, group in by_verdict.items())
    return f"- {_text(name)}: {_text('; '.join(named), 10 * LONGEST)}\n"


def _text(text: str, longest: int = LONGEST) -> str:
    """Shorten a text and escape it."""
    return escape(shorten(text, longest))
