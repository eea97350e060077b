"""Find the conventions in which the optimisers of two models differ, and how each is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from parity.pairs.halves import TRAINING, Half
from parity.pairs.rules import Rule
from parity.pairs.running import weights_of
from parity.pairs.trainer import Joined, Trainer
from parity.pairs.trajectories import Layout

Trainers = tuple[Trainer, Trainer]


@dataclass(frozen=True, eq=False)
class Convention:
    """One known difference between both trainings, and how it is taken away.

    Attributes:
        what: its kind, to which an entry of `parity divergences` may belong.
        said: it in words.
        change: returns trainers without it.
        context: changes a layer meanwhile, if that is what it takes.
    """

    what: str
    said: str
    change: Callable[[Trainers], Trainers] = lambda trainers: trainers
    context: Callable[[], AbstractContextManager[object]] | None = None


def of_rules(rules: tuple[Rule, Rule], layout: Layout) -> Iterator[Convention]:
    """Yield the settings in which two optimisers differ."""
    left, right = rules
    partners = dict(partners_of(layout))
    known = {
        name: (left.settings[own], right.settings[name])
        for name, own in partners.items()
        if own in left.settings and name in right.settings
    }
    kinds = {name: (own["kind"], theirs["kind"]) for name, (own, theirs) in known.items()}
    if any(a != b for a, b in kinds.values()):
        own, theirs = next(pair for pair in kinds.values() if pair[0] != pair[1])
        yield Convention("kind", f"the optimiser is {own} left, {theirs} right", _taking(partners, None))
    else:
        keys = dict.fromkeys(key for own, _ in known.values() for key in own)
        for key in keys:
            if key not in ("at", "decay"):
                yield from _of_setting(key, known, partners)
    if left.clip != right.clip:
        values = [", ".join(f"{n} {v:g}" for n, v in rule.clip.items()) or "not clipped" for rule in rules]
        yield Convention("clipping", f"gradients: {values[0]} left, {values[1]} right", _clipping(left.clip))
    yield from _untrained(rules, partners)


BESIDE = {"epsilon": "at", "weight_decay": "decay"}  # settings -> what else belongs to them


def _of_setting(key: str, known: Mapping[str, Any], partners: Mapping[str, str]) -> Iterator[Convention]:
    keys = [key, BESIDE[key]] if key in BESIDE else [key]
    values = {name: tuple(tuple(own.get(k) for k in keys) for own in pair) for name, pair in known.items()}
    if key == "weight_decay":  # what is not decayed is neither coupled nor decoupled
        values = {name: tuple((d, w if d else None) for d, w in pair) for name, pair in values.items()}
    differing = {name: pair for name, pair in values.items() if pair[0] != pair[1]}
    if differing:
        name, pair = next(iter(differing.items()))
        whose = "" if len(differing) == len(values) else f" of `{name}`"
        left, right = (_words(each, pair[0][1:] != pair[1][1:]) for each in pair)
        said = f"{key.replace('_', ' ')}{whose} is {left} left, {right} right"
        kind = known[name][0]["kind"]
        yield Convention(
            f"{key} of {kind}" if (key, kind) == ("epsilon", "adam") else key, said, _taking(partners, keys)
        )


def _words(value: Sequence[Any], whole: bool) -> str:
    """Return a setting in words, with what belongs to it if that is not the same on both sides."""
    number = f"{value[0]:g}" if isinstance(value[0], float) else f"{value[0]}"
    return " ".join([number, *(str(one) for one in value[1:] if whole and one is not None)])


def partners_of(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield the arrays of the right model with those of the left, of several the first."""
    for name in layout.map.complete():
        own = layout.map.sources_of(name)
        for other in own:
            yield (name, other) if layout.target == 1 else (other, name)
            if layout.target == 1:
                break


def _rule_of(trainer: Trainer) -> Rule:
    assert isinstance(trainer.given, Rule)
    return trainer.given


def _taking(partners: Mapping[str, str], keys: Sequence[str] | None) -> Callable[[Trainers], Trainers]:
    """Return a change that gives the right model's optimiser settings of the left's; all of them without keys."""

    def change(trainers: Trainers) -> Trainers:
        left, right = trainers
        rules = _rule_of(left), _rule_of(right)
        settings = dict(rules[1].settings)
        for name, own in partners.items():
            if own in rules[0].settings and name in settings:
                theirs = rules[0].settings[own]
                taken = theirs if keys is None else {key: theirs[key] for key in keys if key in theirs}
                settings[name] = {**settings[name], **taken}
        return left, replace(right, given=Rule(settings, rules[1].clip))

    return change


def _clipping(clip: Mapping[str, float]) -> Callable[[Trainers], Trainers]:
    def change(trainers: Trainers) -> Trainers:
        left, right = trainers
        return left, replace(right, given=Rule(_rule_of(right).settings, clip))

    return change


def _untrained(rules: tuple[Rule, Rule], partners: Mapping[str, str]) -> Iterator[Convention]:
    """Yield the arrays that one optimiser has and the other has not."""
    for number, name in ((0, "left"), (1, "right")):
        own = {theirs if number else mine: mine if number else theirs for theirs, mine in partners.items()}
        lacking = [
            n for n, other in own.items() if n not in rules[number].settings and other in rules[1 - number].settings
        ]
        if lacking:
            more = f" and {len(lacking) - 1} more are" if len(lacking) > 1 else " is"
            said = f"`{lacking[0]}`{more} not in the optimiser {name}"
            yield Convention("untrained", said, _adding(number, {n: own[n] for n in lacking}))


def _adding(number: int, lacking: Mapping[str, str]) -> Callable[[Trainers], Trainers]:
    def change(trainers: Trainers) -> Trainers:
        rules = [_rule_of(one) for one in trainers]
        added = {name: rules[1 - number].settings[other] for name, other in lacking.items()}
        settings = {**rules[number].settings, **added}
        changed = replace(trainers[number], given=Rule(settings, rules[number].clip))
        return (changed, trainers[1]) if number == 0 else (trainers[0], changed)

    return change


def of_sums(joined: tuple[Sequence[Joined], Sequence[Joined]]) -> Iterator[Convention]:
    """Yield two biases of one model that stand for one of the other."""
    for number, name in ((0, "left"), (1, "right")):
        if own := joined[number]:
            more = f" and {len(own) - 1} more pair{'s' if len(own) > 2 else ''}" if len(own) > 1 else ""
            said = f"`{own[0].first}` and `{own[0].second}`{more} {name} are two biases: their sum learns twice as fast"
            yield Convention("two biases", said, _joining(number, own))


def _joining(number: int, joined: Sequence[Joined]) -> Callable[[Trainers], Trainers]:
    def change(trainers: Trainers) -> Trainers:
        changed = replace(trainers[number], joined=joined)
        return (changed, trainers[1]) if number == 0 else (trainers[0], changed)

    return change


def of_computed(trainers: Trainers) -> Iterator[Convention]:
    """Yield the weights that a model computes from several parameters, which are trained in their place."""
    for number, trainer in enumerate(trainers):
        half = trainer.half
        if names := sorted(half.weights.derived()):
            more = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
            said = f"`{names[0]}`{more} computed {half.name} from parameters that are trained in place of it"
            yield Convention("computed", said, _of_computed(number), partial(_uncomputed, half))


@contextmanager
def _uncomputed(half: Half) -> Iterator[None]:
    """Let a model have its computed weights as parameters, until the context ends."""
    before = half.weights
    with import_module(TRAINING[half.side.framework]).uncomputed(half.side):
        half.weights = weights_of(half.side)
        try:
            yield
        finally:
            half.weights = before


def _of_computed(number: int) -> Callable[[Trainers], Trainers]:
    """Return a change that trains computed weights as what they are computed from."""

    def change(trainers: Trainers) -> Trainers:
        trainer = trainers[number]
        rule = _rule_of(trainer)
        settings = dict(rule.settings)
        for name, own in trainer.half.weights.components().items():
            if own and own[0] in settings:
                settings[name] = settings[own[0]]
        changed = replace(trainer, given=Rule(settings, rule.clip))
        return (changed, trainers[1]) if number == 0 else (trainers[0], changed)

    return change
