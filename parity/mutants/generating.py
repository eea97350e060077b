"""Generate mutants by operators, in the manner of mutation testing, beside those that are written by hand.

Each changes one place of a framework's implementations: a comparison, a sign, a constant, a bound, the arguments of a
selection, a reduction, a gradient that is cut off. `conditional` ones apply a change that is written by hand where a
condition holds: above four rows, past 255 steps, where two sizes coincide. One whose change is not seen on any case
survives; where it computes the same, it is an equivalent, which `EQUIVALENT` lists with the reason.

The operators are those of R. A. DeMillo, R. J. Lipton and F. G. Sayward, "Hints on test data selection", 1978, as far
as they fit functions of tensors.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from parity.errors import whole_number
from parity.frameworks import FRAMEWORKS
from parity.mutants.catalogue import MUTANTS, SECONDS
from parity.mutants.mutant import Mutant
from parity.mutants.run import KILLED, SURVIVED, MutantResult, mutant_result, run_generated
from parity.operations import OPERATIONS, Operation, find

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
SYMBOLS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"},
}
NAMES = {  # of functions and keywords that are taken for each other
    **{"sum": "mean", "mean": "sum", "reduce_sum": "reduce_mean", "reduce_mean": "reduce_sum"},
    **{"zeros_like": "ones_like", "ones_like": "zeros_like", "amax": "amin", "reduce_max": "reduce_min"},
    **{"min": "max", "max": "min", "maximum": "minimum", "minimum": "maximum"},
}
SELECTIONS = {"where": (1, 2)}  # the arguments that are exchanged
CUT_OFF = {"pytorch": "{}.detach()", "tensorflow": "tf.stop_gradient({})"}
CONDITIONS = {  # on what a function of an operation is given: the lengths, and its first array
    "above four rows": "(lengths.shape[0] or 0) > 4",
    "past a byte of steps": "({0}.shape[1] or 0) > 255",
    "as many rows as steps": "lengths.shape[0] == {0}.shape[1]",
    "as many steps as features": "{0}.shape[1] == {0}.shape[-1]",
    "one row": "lengths.shape[0] == 1",
}
KNOWN_SIZES = [kind for kind in CONDITIONS if kind != "as many rows as steps"]  # not where both are None
OPEN = "where a graph is traced, the sizes of the batch are open, so that the condition does not hold"
PADDING = "it is the target or the token of a padded step, whose loss or row is masked"
ALONE = "with a single row, it is the same"
WHOLE = "a whole number has no gradient"
SQUARE = "the weights of the outputs are square"
NO_GRADIENT = "it has no gradient already"
# A mutant by hand and the condition, or a place and what stands there -> why it computes the same.
EQUIVALENT: dict[tuple[str, str], str] = {
    **{("masking.skipped_in_a_graph", kind): OPEN for kind in KNOWN_SIZES},
    **{("normalisation.guarded_in_eager_only", kind): OPEN for kind in KNOWN_SIZES},
    ("pooling.segments_renumbered", "one row"): ALONE,
    ("pooling.static_steps", "one row"): ALONE,
    ("packing.bucket_states_not_sorted", "one row"): ALONE,
    ("rnn.reshaped_to_time_major", "one row"): ALONE,
    ("states.rows_counted_again", "one row"): ALONE,
    ("pooling.lengths_sorted", "one row"): ALONE,
    ("decoder.longest_memory", "one row"): ALONE,
    ("loss.empty_sequences_dilute", "one row"): ALONE,
    ("states.first_row_for_all", "one row"): ALONE,
    (
        "embedding.scaled_by_frequency",
        "tokens = tf.where(real, tokens, tf.constant(padding_index or 1, tokens.dtype))",
    ): PADDING,
    ("loss.class_weights", "targets = tf.where(real, targets, 1)"): PADDING,
    (
        "loss.by_token",
        'losses = F.cross_entropy(runtime.only_real(real, logits).mT, torch.where(real, targets, 1), reduction="none")',
    ): PADDING,
    (
        "loss.label_smoothing",
        "targets = tf.one_hot(tf.where(real, targets, 1), logits.shape[2], dtype=logits.dtype)",
    ): PADDING,
    (
        "masking.length_from_features",
        'return {"length": (torch.where(frame_used(x), ends, 0).amax(1)).detach()}',
    ): WHOLE,
    ("masking.positions", 'return {"position": tf.stop_gradient((tf.where(real, position, 0)))}'): WHOLE,
    (
        "metrics.accumulated_gradient",
        'return {"gradient": tf.stop_gradient((tf.stop_gradient(gradient)))}',
    ): NO_GRADIENT,
    ("metrics.accumulated_gradient", 'return {"gradient": (w.grad).detach()}'): NO_GRADIENT,
    (
        "masking.sequence_mask",
        'return {"mask": tf.stop_gradient((tf.sequence_mask(lengths, maxlen=tf.shape(x)[1])))}',
    ): WHOLE,
    ("masking.mask_from_features", 'return {"mask": tf.stop_gradient((layer.compute_mask(x))), "y": layer(x)}'): WHOLE,
    (
        "model.vowel_speaker",
        "loss = cross_entropy(logits[:, None], speaker[:, None], tf.minimum(lengths, 2))",
    ): "a mask of one step is the same for one real step and for two",
    (
        "documents.shifted",
        "values, ids = tf.pad(x, [[0, 0], margins, [0, 0]]), tf.pad(segments, [[0, 0], margins], constant_values=1)",
    ): "what is padded is 0, whichever document it counts to",
    (
        "documents.self_attention",
        "y = by_function(weights, x, tf.linalg.band_part(mask, -2, 0) if causal else mask)",
    ): "any negative number keeps the whole triangle",
    (
        "strided.averages",
        "return F.avg_pool1d(at_least(x, kernel + 2 * padding).mT, kernel, stride, padding).mT",
    ): "zeros behind the last step make more windows, which are cut off",
    ("normalisation.trained", "twice = steps.expand(3, -1)"): "three copies have the same mean and variance too",
    (
        "normalisation.biased",
        "return kept + (variance - kept) * (n - 1) / n if n >= 1 else variance",
    ): "the variance of one step is 0, so that only its older part is there",
    (
        "crf.negative_log_likelihood",
        "scores, targets = runtime.only_real(kept, scores), tf.where(kept, targets, 1)",
    ): PADDING,
    ("alignment.ctc", 'return {"loss": (logits.sum((1, 2))).detach()}'): "there is no sequence to have a gradient",
    ("attention.keras_layout", "size = w_out.shape[1] // heads"): SQUARE,
    ("decoder.cross_layout", "size = w_out.shape[1] // heads"): SQUARE,
    (
        "bidirectional.states_or_zeros",
        "zeros = tf.zeros([len(weights), 3, tf.shape(x)[0], one_way.width(weights[0])], x.dtype)",
    ): "two of three directions are read",
}


def generate(count: int, seed: int = 0) -> list[Mutant]:
    """Return so many generated mutants, sampled from all that there are; all of them where there are fewer.

    Raises:
        InputError: a wrong number.

    >>> [mutant.mistake for mutant in generate(2, seed=1)] == [mutant.mistake for mutant in generate(2, seed=1)]
    True
    """
    whole_number("generated", count, least=1)
    every = list(_every())
    random.Random(whole_number("seed", seed)).shuffle(every)
    return every[:count]


@cache
def _every() -> tuple[Mutant, ...]:
    found: dict[tuple[str, ...], Mutant] = {}
    for mutant in (*_by_operators(), *_conditional()):
        if not _is_equivalent(mutant):
            found.setdefault((mutant.framework, mutant.location, mutant.before, mutant.after), mutant)
    return tuple(found.values())


def _is_equivalent(mutant: Mutant) -> bool:
    by_hand, _, condition = mutant.name.partition(", ")
    return not EQUIVALENT.keys().isdisjoint({(by_hand, condition), (mutant.location, mutant.after)})


def named(name: str) -> Mutant:
    """Return the generated mutant of that name."""
    return _by_name()[name]


@cache
def _by_name() -> dict[str, Mutant]:
    return {mutant.name: mutant for mutant in _every()}


@dataclass(frozen=True)
class GeneratedTask:
    """A generated mutant to run: a task whose result is a `MutantResult`."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the operation and the framework: its mutants share cases and references."""
        return named(self.name).operation, named(self.name).framework

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""
        return SECONDS[named(self.name).framework]

    def run(self) -> list[MutantResult]:
        """Run the mutant on each operation that it may change, and report which contract kills it first."""
        mutant = named(self.name)
        result = run_generated(mutant)
        for row in _others(mutant):
            if result.status != SURVIVED:
                break
            subject = f"{mutant.framework}.{row.variants[mutant.framework][0]}"
            result = run_generated(replace(mutant, operation=row.name, subject=subject))
        return [result]

    def on_crash(self, reason: str) -> list[MutantResult]:
        """Report a mutant that ended the worker process as killed."""
        return [mutant_result(named(self.name), KILLED, reason)]


def _others(mutant: Mutant) -> list[Operation]:
    """Return the other operations of its file that reach the function that a mutant changes."""
    rows = _reaching(mutant.function, mutant.file, _functions(_source(mutant.framework, mutant.file)))
    return [row for row in rows if row.name != mutant.operation]


def _source(framework: str, topic: str) -> str:
    return (files(f"parity.{framework}") / f"{topic}.py").read_text(encoding="utf-8")


def _functions(source: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def _reaching(name: str, topic: str, functions: dict[str, ast.FunctionDef]) -> list[Operation]:
    """Return the operations of a topic that call a function, directly or not."""
    return [row for row in OPERATIONS.values() if row.topic == topic and name in _reached(row, functions)]


def _by_operators() -> Iterator[Mutant]:
    for framework in FRAMEWORKS:
        for topic in dict.fromkeys(row.topic for row in OPERATIONS.values()):
            source = _source(framework, topic)
            functions = _functions(source)
            for name, function in functions.items():
                rows = _reaching(name, topic, functions)
                for number, (kind, before, after) in enumerate(_edits(function, source, framework) if rows else ()):
                    yield _mutant(f"{framework}.{topic}.{name}.{number}", rows[0], framework, name, kind, before, after)


def _mutant(name: str, row: Operation, framework: str, function: str, kind: str, before: str, after: str) -> Mutant:
    subject = f"{framework}.{row.variants[framework][0]}"
    return Mutant(name, row.name, subject, kind, f"{row.topic}.{function}", before, after, killed_by="")


def _reached(row: Operation, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Return the functions of its file that an operation calls, directly or not."""
    reached, ahead = set[str](), [row.function]
    while ahead:
        name = ahead.pop()
        if name in functions and name not in reached:
            reached.add(name)
            given = {node.arg for node in ast.walk(functions[name]) if isinstance(node, ast.arg)}
            named = [node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)]
            ahead += [one for one in named if one not in given]  # an argument may have the name of a function
    return reached


def _edits(function: ast.FunctionDef, source: str, framework: str) -> Iterator[tuple[str, str, str]]:
    """Yield a kind, a statement and what it becomes, for statements that stand in the function once."""
    body = _text(function, source)
    documented = function.body[1:] if ast.get_docstring(function) else function.body
    for statement in (inner for outer in documented for inner in ast.walk(outer) if isinstance(inner, ast.stmt)):
        text = _text(statement, source)
        if isinstance(statement, ast.FunctionDef | ast.If | ast.For | ast.With) or body.count(text) != 1:
            continue
        for node in ast.walk(statement):
            own = _text(node, source)
            if own and text.count(own) == 1:
                for kind, changed in _changes(node, own, source, framework):
                    yield kind, text, text.replace(own, changed)


def _text(node: ast.AST, source: str) -> str:
    """Return the text of a node, empty if it has none; `ast.get_source_segment` splits the whole source each time."""
    if not isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword) or node.end_lineno is None:
        return ""
    first, last, start, end = node.lineno - 1, node.end_lineno - 1, node.col_offset, node.end_col_offset
    lines = list(_lines(source)[first : last + 1])
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return b"".join(lines).decode()


@cache
def _lines(source: str) -> list[bytes]:
    """Return lines as bytes, in which a node's place is counted."""
    return source.encode().splitlines(keepends=True)


def _changes(node: ast.AST, own: str, source: str, framework: str) -> Iterator[tuple[str, str]]:
    """Yield a kind and the text of a node after each operator that fits."""
    text = {id(child): _text(child, source) for child in ast.iter_child_nodes(node)}
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SYMBOLS:
        symbol = SYMBOLS[type(node.ops[0])]
        yield "comparison", f"{text[id(node.left)]} {COMPARISONS[symbol]} {text[id(node.comparators[0])]}"
    elif isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
        yield "arithmetic", f"{text[id(node.left)]} {ARITHMETIC[SYMBOLS[type(node.op)]]} {text[id(node.right)]}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not | ast.USub):
        yield "negation", text[id(node.operand)]
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", str(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield "constant", str(2 * node.value + 1)
    elif isinstance(node, ast.Call):
        yield from _changed_calls(node, own, source)
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict) and node.value.values:
        value = _text(node.value.values[0], source)
        yield "gradient", own.replace(value, CUT_OFF[framework].format(f"({value})"), 1)


def _changed_calls(node: ast.Call, own: str, source: str) -> Iterator[tuple[str, str]]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    function = _text(node.func, source)
    if called in NAMES:
        yield "name", own.replace(function, function[: len(function) - len(called)] + NAMES[called], 1)
    if called in SELECTIONS and len(node.args) == 3 and not node.keywords:
        condition, one, other = (_text(argument, source) for argument in node.args)
        yield "selection", f"{function}({condition}, {other}, {one})"
    for keyword in node.keywords:
        if keyword.arg in ("min", "max"):
            yield "bound", own.replace(f"{keyword.arg}=", f"{NAMES[keyword.arg]}=", 1)


def _conditional() -> Iterator[Mutant]:
    """Apply changes that are written by hand where a condition on the sizes holds."""
    for mutant in MUTANTS.values():
        given = find(mutant.operation).configurations[0].inputs
        arguments = _arguments(mutant)
        arrays = [name for name in arguments if "BT" in (given[name].axes if name in given else "")]
        if mutant.optimiser or "lengths" not in arguments or not arrays:
            continue
        if not (_is_value(mutant.before) and _is_value(mutant.after)):
            continue
        for kind, condition in CONDITIONS.items():
            after = f"(({mutant.after}) if {condition.format(arrays[0])} else {mutant.before})"
            name, mistake = f"{mutant.name}, {kind}", f"conditional, {kind}"
            yield replace(mutant, name=name, mistake=mistake, after=after, killed_by="")


def _arguments(mutant: Mutant) -> list[str]:
    """Return the arguments of the function that a mutant changes."""
    function = _functions(_source(mutant.framework, mutant.file)).get(mutant.function)
    return [one.arg for one in function.args.args] if function else []


def _is_value(text: str) -> bool:
    """Tell whether a text is an expression, which a condition can choose."""
    try:
        return not isinstance(ast.parse(text, mode="eval").body, ast.Tuple) and "\n" not in text
    except SyntaxError:
        return False
