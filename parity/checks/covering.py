"""Cover every pair of a contract, a configuration, lengths, a dtype and a mode, in place of every combination.

Most of the time goes into tracing graphs and into eager runs of TensorFlow. So in a default run

- the variants of a framework take turns in graph mode, each with every second configuration; with the others, graphs
  are in float64, of recurrent layers in one operation of each topic; three of four variants of those have their first
  configuration traced, since each layer more takes seconds;
- lengths beside the first ones are tried in one dtype of a mode, not in both, and in recurrent layers with one of the
  configurations, which takes turns;
- recurrent layers that have a graph with a configuration run eagerly with the first lengths only, and with another
  configuration in one dtype, since Python runs for each step; contracts that transform a case are tried eagerly there
  in one operation of each topic;
- designed batches, whose sizes are special, are tried in one dtype; in recurrent layers, long ones and all that
  Python runs step by step in one configuration, which takes turns, and without contracts that transform them; in
  TensorFlow, these take turns, each with every second batch;
- contracts about NaN, earlier calls and second derivatives are tried on one case of each variant: of recurrent layers,
  with every second variant in a graph, which may be rewritten so that it loses NaN; second derivatives, which run
  eagerly, not where that takes long, unless they are written by hand; NaN also where B = T = D = H, and past a byte of
  steps, in a single row if that costs little, but for recurrent layers;
- a configuration for another value of an option is tried with its own lengths only, of every kind of size; each is
  traced in one variant, in float64, in place of a usual one, unless Python runs for each step;
- real data in a batch of special sizes is tried eagerly only;
- graphs of usual sizes, which are there anyway, run on long batches of these sizes too;
- loops are traced once in each topic for the sizes of a batch past a byte of steps, without a gradient;
- contracts that transform a case, which takes runs of their own, are tried in one dtype and mode for each
  configuration; in recurrent layers, those that take several runs are tried in graphs.

Contracts that look at runs that are there anyway are tried on all of these. A full run tries every combination.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from parity.arrays import DTYPES
from parity.cases.lengths import DESIGNED, FEW_STEPS, REAL, lengths_of
from parity.checks.contracts import COINCIDING, CONTRACTS, DESIGNED_TOO, FIRST, ONCE, PAST_A_BYTE, Contract
from parity.frameworks import MODES
from parity.operations import OPERATIONS, Configuration, Operation

SEVERAL_RUNS = ("ignores_padding", "ignores_extra_padding", "independent_of_batchmates")
Setting = tuple[str, str]  # a dtype and a mode
OF_USUAL_SIZES = ("ascending", "long")  # what was traced for the usual lengths runs on these too
FEW_VARIANTS = 3  # operations that have more share their code with others of the topic
SINGLE, DOUBLE = ((dtype, "eager") for dtype in DTYPES)


@dataclass(frozen=True)
class Turn:
    """The place of a variant and a configuration among those that take turns.

    Attributes:
        variant, config: their positions.
        configs: how many configurations there are.
        alone: whether there is a single variant or configuration, so that nothing takes turns.
        has_graphs: whether the framework has graphs.
        graphs, in_double: the graph modes of this variant and configuration in float32, and those in float64.
        of_topic: whether it is the turn of this operation, among those of its topic that are recurrent and have the
            variant too.
    """

    variant: int
    config: int
    configs: int
    alone: bool
    has_graphs: bool
    graphs: tuple[Setting, ...]
    in_double: tuple[Setting, ...]
    of_topic: bool


def covering(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, framework: str, variant: str
) -> list[Setting]:
    """Return the dtypes and modes in which a default run tries a contract on a configuration and lengths.

    >>> lstm = OPERATIONS["rnn.lstm"]
    >>> for config in lstm.configurations[:2]:
    ...     covering(CONTRACTS["follows_permutation"], lstm, config, "ragged", "tensorflow", "padded")
    [('float32', 'graph')]
    [('float64', 'eager')]
    """
    if contract.once:
        return _once(contract, operation, config, lengths, framework, variant)
    if config.lengths:
        return _of_another_option(contract, operation, config, lengths, framework, variant)
    turn, which = turn_of(operation, config.name, framework, variant), DESIGNED_TOO.index(lengths)
    if lengths in DESIGNED:
        return _designed(contract, operation, config, lengths, turn)
    if config.stepwise and lengths not in FIRST and not turn.alone and not _is_turn(turn, which):
        return []
    eager, in_double = _eager(config, lengths, turn), turn.in_double if lengths in FIRST else ()
    if config.data and REAL[lengths].sizes:  # nothing is traced for its sizes
        return [] if contract.from_mode or contract.reruns else eager
    if contract.from_mode:  # graphs are compared with eager runs
        return [*turn.graphs, *in_double] if in_double or SINGLE in eager else []
    if not contract.reruns:
        return [*turn.graphs, *eager, *in_double]
    if not (config.stepwise or config.data) or contract.name not in SEVERAL_RUNS:
        in_double = ()
    settings = [*(turn.graphs or [SINGLE]), *(in_double or [DOUBLE])] if turn.graphs or in_double else eager
    return _one_of(settings, contract, operation, config, turn)


def _eager(config: Configuration, lengths: str, turn: Turn) -> list[Setting]:
    """Return the dtypes in which a configuration runs eagerly with usual lengths."""
    either = (turn.variant + turn.config + DESIGNED_TOO.index(lengths)) % 2
    if config.stepwise and turn.has_graphs and not turn.alone:
        if turn.graphs:
            return [SINGLE, DOUBLE] if lengths in FIRST else []
        return [(SINGLE, DOUBLE)[either]]
    if lengths in FIRST or turn.alone:
        return [SINGLE, DOUBLE]
    is_double = bool(turn.graphs) if turn.has_graphs else either
    return [DOUBLE if is_double else SINGLE]


@cache
def turn_of(operation: Operation, config: str, framework: str, variant: str) -> Turn:
    """Return the turn of a variant with a usual configuration."""
    variants, configs = operation.variants[framework], _usual(operation)
    names, modes = [one.name for one in configs], MODES[framework][1:]
    own, place = variants.index(variant), names.index(config)
    alone = 1 in (len(variants), len(configs))
    takes_second = own % 4 == min(3, len(variants) - 1) if configs[place].stepwise else own % 2 == 1
    is_traced = alone or (place % 2 == 1) == takes_second  # the second configuration, the fourth … or the others
    in_double = _is_traced_in_double(operation, configs[place], framework, variant, alone)
    graphs = [tuple((dtype, mode) for mode in modes) for dtype in DTYPES]
    traced = graphs[0] if is_traced else (), graphs[1] if in_double else ()
    return Turn(own, place, len(configs), alone, bool(modes), *traced, _is_turn_of(operation, framework, variant))


def _of_another_option(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, framework: str, variant: str
) -> list[Setting]:
    """Return the settings of a configuration that is there for another value of an option: one, and maybe a graph."""
    if lengths not in config.lengths or (config.stepwise and contract.reruns):
        return []
    place = config.lengths.index(lengths)
    graphs = []
    if place == 0 and not contract.reruns and config in _traced_options(operation, framework, variant):
        graphs = [(DTYPES[1], mode) for mode in MODES[framework][1:]]
    return graphs if contract.from_mode else [(SINGLE, DOUBLE)[place % 2], *graphs]


@cache
def _traced_options(operation: Operation, framework: str, variant: str) -> list[Configuration]:
    """Return those for another option that a variant is traced with, in float64: variants share them out."""
    variants = operation.variants[framework]
    others = [one for one in operation.configurations if one.lengths and not one.stepwise]
    others = [one for one in others if _can_be_traced(operation, one, framework, variant)]
    turns = min(len(variants), len(others))
    return others[variants.index(variant) % turns :: turns] if others else []


def _usual(operation: Operation) -> list[Configuration]:
    """Return the configurations that are not there for another value of an option."""
    return [one for one in operation.configurations if not one.lengths]


def _is_turn(turn: Turn, which: int) -> bool:
    """Tell whether a configuration has its turn, with the lengths of a position; two variants have it together."""
    return (turn.variant // 2 + which) % turn.configs == turn.config


def _one_of(
    settings: list[Setting], contract: Contract, operation: Operation, config: Configuration, turn: Turn
) -> list[Setting]:
    """Return all settings of the only configuration that promises a contract, or else one."""
    promising = [one.name for one in _usual(operation) if not contract.unless_config(one)]
    if len(promising) == 1:
        return settings
    if turn.has_graphs and not turn.alone:
        if turn.graphs:
            return settings[:1]
        if config.stepwise:
            return [DOUBLE] if turn.of_topic else []
        return settings[-1:]
    return [settings[(list(CONTRACTS).index(contract.name) + promising.index(config.name)) % len(settings)]]


def _designed(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, turn: Turn
) -> list[Setting]:
    """Return the single setting of a designed batch, if any."""
    which, is_long = DESIGNED_TOO.index(lengths), DESIGNED[lengths].steps > FEW_STEPS
    slow = config.stepwise and (turn.has_graphs or is_long)
    place = list(DESIGNED).index(lengths)
    if contract.reruns and (slow or not _has_its_turn(contract, place, turn)):
        return []
    if slow and is_long:  # alike for all variants, since the reference takes longest
        if turn.has_graphs:
            return [*turn.graphs]
        has_turn = (list(OPERATIONS).index(operation.name) + place) % turn.configs == turn.config
        return [(SINGLE, DOUBLE)[place % 2]] if has_turn else []
    if slow and not _is_turn(turn, which):
        return []
    setting = (SINGLE, DOUBLE)[(turn.variant + turn.config + place // 2 + place) % 2]
    again = contract.reruns or lengths not in OF_USUAL_SIZES
    graphs = [] if again else [one for one in (*turn.graphs, *turn.in_double) if one[0] == setting[0]]
    return [setting, *graphs]


def _has_its_turn(contract: Contract, place: int, turn: Turn) -> bool:
    """Tell whether a contract that transforms a case has its turn with a designed batch: with every second one."""
    if contract.once or not turn.has_graphs:
        return True
    return (list(CONTRACTS).index(contract.name) + turn.variant + place) % 2 == 0


def _is_traced_in_double(
    operation: Operation, config: Configuration, framework: str, variant: str, alone: bool
) -> bool:
    """Tell whether a configuration has graphs in float64: every second that can be traced, beginning with the second.

    Tracing recurrent layers takes seconds. So operations of a topic take turns there, with their first configuration.
    """
    if _traced_options(operation, framework, variant):
        return False
    configs, turn = _usual(operation), operation.variants[framework].index(variant)
    traced = [one.name for one in configs if _can_be_traced(operation, one, framework, variant)]
    if config.stepwise or config.data:
        return _is_turn_of(operation, framework, variant) and config.name in traced[:1]
    second = [one.name for place, one in enumerate(configs) if (turn + place) % 2 and one.name in traced]
    return config.name in (traced if alone or not second else second)


def _is_turn_of(operation: Operation, framework: str, variant: str) -> bool:
    """Tell whether an operation has its turn, among the recurrent ones of its topic that have the variant too."""
    alike = [one for one in OPERATIONS.values() if one.topic == operation.topic and variant in one.variants[framework]]
    alike = [one for one in alike if any(config.stepwise or config.data for config in one.configurations)]
    return bool(alike) and alike[operation.variants[framework].index(variant) % len(alike)] is operation


def _can_be_traced(operation: Operation, config: Configuration, framework: str, variant: str) -> bool:
    place = f"{framework}.{variant}", f"{config.name}/{FIRST[0]}"
    return not any(operation.expected_failure(*place, mode, DTYPES[1]) for mode in MODES[framework][1:])


def _once(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, framework: str, variant: str
) -> list[Setting]:
    """Return the single setting, on a case, of a contract that is tried on one or two cases of each variant."""
    promising = [one for one in _usual(operation) if not contract.unless_config(one)]
    turns = {one.name: turn_of(operation, one.name, framework, variant) for one in promising}
    if contract.from_mode:
        if config not in promising[:1] or not _can_be_traced(operation, config, framework, variant):
            return []
        has_turn = len(operation.variants[framework]) <= FEW_VARIANTS or turns[config.name].of_topic
        return [(DTYPES[0], mode) for mode in MODES[framework][1:] if has_turn]
    if lengths in DESIGNED:
        if config.stepwise or config not in promising[:1]:
            return []
        if contract.eager_only:
            return [DOUBLE]
        past_a_byte = next(one for one in PAST_A_BYTE if one in lengths_of(config))
        is_chosen = lengths in (COINCIDING, past_a_byte)
        return _designed(contract, operation, config, lengths, turns[config.name]) if is_chosen else []
    is_slow = bool(config.data) or (config.stepwise and len(MODES[framework]) > 1)
    if lengths != (ONCE[-1] if config.data else ONCE[0]) or config.name not in turns:
        return []
    if contract.eager_only:
        chosen = promising[0] if config.stepwise else promising[-1]  # the one that takes least, or bends most
        is_left_out = is_slow and f"{framework}.{variant}" not in operation.own_gradients
        return [DOUBLE] if config is chosen and not is_left_out else []
    own = turns[config.name]
    in_graph = [one for one in promising if turns[one.name].graphs and is_slow and own.variant % 2 == 0]
    in_graph = [one for one in in_graph if _can_be_traced(operation, one, framework, variant)]
    if config is not (in_graph or promising)[0]:
        return []
    return [own.graphs[0]] if in_graph else [(SINGLE, DOUBLE)[own.variant % 2]]
