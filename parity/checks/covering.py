"""Cover every pair of a contract, a configuration, lengths, a dtype and a mode, in place of every combination.

Most of the time goes into tracing graphs and into eager runs of TensorFlow. So in a default run

- the variants of a framework take turns in graph mode, each with every second configuration; with the others, graphs
  are in float64, of recurrent layers in one operation of each topic;
- lengths beside the first ones are tried in one dtype of a mode, not in both, and in recurrent layers with one of the
  configurations, which takes turns;
- designed batches, whose sizes are special, are tried in one dtype; in recurrent layers, long ones and all that
  Python runs step by step in one configuration, which takes turns, and without contracts that transform them;
- contracts about NaN, earlier calls and second derivatives are tried on one case of each variant: in a graph, where
  there is one; second derivatives, which run eagerly, not where that takes long, unless they are written by hand;
- contracts that transform a case, which takes runs of their own, are tried in one dtype and mode for each
  configuration; in recurrent layers, those that take several runs are tried in graphs.

Contracts that look at runs that are there anyway are tried on all of these. A full run tries every combination.
"""

from __future__ import annotations

from parity.arrays import DTYPES
from parity.cases.lengths import DESIGNED, FEW_STEPS
from parity.checks.contracts import CONTRACTS, DESIGNED_TOO, FIRST, ONCE, Contract
from parity.frameworks import MODES
from parity.operations import OPERATIONS, Configuration, Operation

SEVERAL_RUNS = ("ignores_padding", "ignores_extra_padding", "independent_of_batchmates")
Setting = tuple[str, str]  # a dtype and a mode
SINGLE, DOUBLE = ((dtype, "eager") for dtype in DTYPES)


def covering(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, framework: str, variant: str
) -> list[Setting]:
    """Return the dtypes and modes in which a default run tries a contract on a configuration and lengths.

    >>> lstm = OPERATIONS["rnn.lstm"]
    >>> for config in lstm.configurations:
    ...     covering(CONTRACTS["follows_permutation"], lstm, config, "ragged", "tensorflow", "masked")
    [('float32', 'graph')]
    [('float64', 'eager')]
    []
    """
    if contract.once:
        return _once(contract, operation, config, lengths, framework, variant)
    if config.lengths and config.stepwise and contract.reruns:
        return []
    if config.lengths:
        return [(SINGLE, DOUBLE)[config.lengths.index(lengths) % 2]] if lengths in config.lengths else []
    variants = operation.variants[framework]
    configs = [one for one in operation.configurations if not one.lengths]
    turn, alone = variants.index(variant) + configs.index(config), 1 in (len(variants), len(configs))
    has_graphs = len(MODES[framework]) > 1
    graphs = [(DTYPES[0], mode) for mode in MODES[framework][1:] if alone or turn % 2 == 0]
    in_double = _graphs_in_double(operation, config, framework, variant, alone)
    which = DESIGNED_TOO.index(lengths)
    its_turn = (variants.index(variant) // 2 + which) % len(configs) == configs.index(config)
    if lengths in DESIGNED:
        return _designed(contract, config, lengths, graphs, has_graphs, its_turn, turn + which, len(configs))
    eager = [SINGLE, DOUBLE]
    if lengths not in FIRST:
        in_double = []
    if lengths not in FIRST and not alone:
        if config.stepwise and not its_turn:
            return []
        eager = [DOUBLE if (bool(graphs) if has_graphs else (turn + which) % 2) else SINGLE]
    if contract.from_mode:  # graphs are compared with eager runs
        return graphs + in_double if SINGLE in eager else []
    if not contract.reruns:
        return graphs + eager + in_double
    if not (config.stepwise or config.data) or contract.name not in SEVERAL_RUNS:
        in_double = []
    settings = [*graphs, *(in_double or [DOUBLE])] if graphs else [SINGLE, *(in_double or [DOUBLE])]
    if lengths not in FIRST and not alone and not graphs:
        settings = eager
    chosen = []
    if has_graphs and not alone:
        chosen = settings[:1] if graphs else settings[-1:]
    return _in_turn(contract, config, configs, settings, chosen)


def _in_turn(
    contract: Contract,
    config: Configuration,
    configs: list[Configuration],
    settings: list[Setting],
    chosen: list[Setting],
) -> list[Setting]:
    """Return all settings of the only configuration that promises a contract, or else those chosen, or one in turn."""
    promising = [one.name for one in configs if not contract.unless_config(one)]
    if len(promising) == 1:
        return settings
    number = list(CONTRACTS).index(contract.name) + promising.index(config.name)
    return chosen or [settings[number % len(settings)]]


def _designed(
    contract: Contract,
    config: Configuration,
    lengths: str,
    graphs: list[Setting],
    has_graphs: bool,
    its_turn: bool,
    number: int,
    configurations: int,
) -> list[Setting]:
    """Return the single setting of a designed batch, if any."""
    is_long = DESIGNED[lengths].steps > FEW_STEPS
    slow = config.stepwise and (has_graphs or is_long)
    if slow and has_graphs and is_long:
        return [] if contract.reruns else graphs
    if slow and (contract.reruns or not its_turn):
        return []
    return [(SINGLE, DOUBLE)[number // configurations % 2]]


def _graphs_in_double(
    operation: Operation, config: Configuration, framework: str, variant: str, alone: bool
) -> list[Setting]:
    """Return graph modes in float64 of every second configuration, beginning with the second, that can be traced.

    Tracing recurrent layers takes seconds. So operations of a topic take turns there, with their first configuration.
    """
    configs = [one for one in operation.configurations if not one.lengths]
    traced = [one for one in configs if _is_traced(operation, one, framework, variant)]
    turn = operation.variants[framework].index(variant)
    second = [one for one in traced if (turn + configs.index(one)) % 2]
    chosen = traced if alone or not second else second
    if config.stepwise or config.data:
        alike = [one for one in OPERATIONS.values() if _is_alike(one, operation, framework, variant)]
        chosen = traced[:1] if alike[turn % len(alike)] is operation else []
    return [(DTYPES[1], mode) for mode in MODES[framework][1:]] if config in chosen else []


def _is_alike(one: Operation, other: Operation, framework: str, variant: str) -> bool:
    """Tell whether an operation of the same topic has the variant too, and is recurrent."""
    recurrent = any(config.stepwise or config.data for config in one.configurations)
    return recurrent and one.topic == other.topic and variant in one.variants[framework]


def _is_traced(operation: Operation, config: Configuration, framework: str, variant: str) -> bool:
    place = f"{framework}.{variant}", f"{config.name}/{FIRST[0]}"
    return not any(operation.expected_failure(*place, mode, DTYPES[1]) for mode in MODES[framework][1:])


def _once(
    contract: Contract, operation: Operation, config: Configuration, lengths: str, framework: str, variant: str
) -> list[Setting]:
    """Return the single setting of a contract that is tried on one case of each variant."""
    promising = [one for one in operation.configurations if not one.lengths and not contract.unless_config(one)]
    turn, first = operation.variants[framework].index(variant), ONCE[-1] if config.data else ONCE[0]
    graphs = MODES[framework][1:]
    is_slow = bool(config.data) or (config.stepwise and bool(graphs))
    if contract.eager_only:
        if is_slow and f"{framework}.{variant}" not in operation.own_gradients:
            return []
        chosen = promising[0] if config.stepwise else promising[-1]  # the one that takes least, or bends most
        return [DOUBLE] if lengths == first and config is chosen else []
    usual = [one for one in operation.configurations if not one.lengths]
    in_graph = [
        one
        for one in promising
        if 1 in (len(operation.variants[framework]), len(usual)) or (turn + usual.index(one)) % 2 == 0
        if _is_traced(operation, one, framework, variant)
    ]
    chosen = (in_graph if is_slow and graphs and in_graph else promising)[0]
    if lengths != first or config is not chosen:
        return []
    return [(DTYPES[0], graphs[0])] if is_slow and graphs and in_graph else [(SINGLE, DOUBLE)[turn % 2]]
