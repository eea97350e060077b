"""The pytest plugin of padding-parity, as far as a run of pytest without its tests and options needs it.

Every run of pytest imports this module, in every project of an environment. It imports nothing else of the project:
the package `parity` is loaded when the first test or option asks for it, unless another package has that name.
"""

from __future__ import annotations

import copy
import importlib.util
import re
from collections.abc import Callable, Generator, Sequence
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from parity.checks.result import Result
    from parity.checks.verdict import Verdict
    from parity.divergences import Trial
    from parity.mutants import MutantResult
    from parity.pytest_plugin import Plugin

OPTIONS: dict[str, dict[str, Any]] = {
    "--parity-report": {
        "metavar": "DIR",
        "help": "write the report here (default parity-pytest); with it, checks of your own models have one too",
    },
    "--parity-seed": {"metavar": "N", "type": int, "default": 0, "help": "sample cases with this seed (default 0)"},
    "--parity-require": {"metavar": "FRAMEWORKS", "default": "", "help": "fail at once if one does not load"},
    "--parity-full": {"action": "store_true", "help": "add what takes long: compiled modes, narrow dtypes"},
    "--parity-replay": {"metavar": "DIR", "help": "compare with the recording in this folder too"},
    "--parity-device": {
        "metavar": "DEVICE",
        "help": "run on auto, cpu or cuda (default: cpu for checks, auto for benchmarks)",
    },
    "--parity-shard": {"metavar": "N", "help": "run one of so many parts of all tests, such as 2/5; see parity merge"},
    "--parity-tf32": {"action": "store_true", "help": "let a GPU round factors of float32 products to TF32"},
    "--parity-jobs": {"metavar": "N", "type": int, "help": "worker processes (default: one a core, up to 4)"},
    "--parity-timeout": {"metavar": "SECONDS", "type": float, "help": "limit of a task in a worker (default 600)"},
}
MARKER = "parity_slow: run only with --parity-full: compiled modes and narrow dtypes"
PACKAGE = Path(__file__).with_name("parity")
PLUGIN = pytest.StashKey["Plugin"]()
CHECK_ID = re.compile(r"\[[a-z_]+\.\w+-(pytorch|tensorflow)\b")  # of a test that belongs to a check


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options if a conftest file names this plugin: the next hook has begun then, without it."""
    modules = (plugin for plugin in pluginmanager.get_plugins() if isinstance(plugin, ModuleType))
    if any(Path(getattr(module, "__file__", None) or "").name == "conftest.py" for module in modules):
        _add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Add the options after those of the project's conftest files, which keep theirs where names are equal."""
    _ignore_values(early_config, parser, args)
    try:
        return (yield)
    finally:
        _add_options(parser)


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("padding-parity", "PyTorch against TensorFlow on padded sequences")
    groups = [*getattr(parser, "_groups", ()), getattr(parser, "_anonymous", group)]
    taken = {name for one in groups for option in one.options for name in option.names()}
    for name in (name for name in OPTIONS if name not in taken):
        group.addoption(name, dest=_dest(name), **OPTIONS[name])


def _ignore_values(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Keep pytest from looking for conftest files in the folders that follow options which it does not know yet."""
    separate = {name for name, attributes in OPTIONS.items() if "action" not in attributes}
    rest = [one for before, one in zip(["", *args], args, strict=False) if before not in separate]
    if len(rest) < len(args):
        known = parser.parse_known_args(rest, copy.copy(early_config.option))
        early_config.known_args_namespace.file_or_dir = known.file_or_dir


def _dest(name: str) -> str:
    return "padding_" + name.lstrip("-").replace("-", "_")


def _option(config: pytest.Config, name: str) -> Any:
    """Return the value of an option; its default if the project has another one of this name."""
    return getattr(config.option, _dest(name), _default(name))


def _default(name: str) -> Any:
    return OPTIONS[name].get("default", False if "action" in OPTIONS[name] else None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if any(_option(config, name) != _default(name) for name in OPTIONS):
        load(config)


def load(config: pytest.Config) -> Plugin:
    """Load the package for the session, once.

    Raises:
        UsageError: another package is called `parity` here, it cannot be imported, or an option is wrong.
    """
    if PLUGIN not in config.stash:
        if place := _another_package(config):
            raise pytest.UsageError(f"parity: another package of this name is at {place}, in place of {PACKAGE}")
        from parity.cli.packages import unusable

        if reason := unusable():
            raise pytest.UsageError(f"parity: {reason}")
        from parity.pytest_plugin import Plugin

        config.stash[PLUGIN] = Plugin(config, partial(_option, config))
        config.pluginmanager.register(config.stash[PLUGIN])
    return config.stash[PLUGIN]


def _another_package(config: pytest.Config) -> str:
    """Return the place of another `parity`: the one that is imported, or one that tests of the project would import."""
    try:
        found = [importlib.util.find_spec("parity")]
    except ValueError:  # somebody made a module of this name
        return "sys.modules"
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    for folder in (config.rootpath, *paths, *(path.parent for path in paths)):  # pytest puts them first, later
        spec = PathFinder.find_spec("parity", [str(folder)])
        found += [spec] if spec and spec.origin else []  # any folder of this name is a namespace, without an origin
    for spec in found:
        place = next(iter(spec.submodule_search_locations or ()), spec.origin or "") if spec else ""
        if Path(place).resolve() != PACKAGE.resolve():
            return place or "no place at all"
    return ""


@pytest.fixture
def parity_results(request: pytest.FixtureRequest) -> list[Result]:
    """Return the results of one check; skip the test if its framework is missing."""
    return cast("list[Result]", load(request.config).results(request))


@pytest.fixture
def parity_training(request: pytest.FixtureRequest) -> list[Result]:
    """Return the results of one training run; skip the test if its framework is missing."""
    return cast("list[Result]", load(request.config).results(request))


@pytest.fixture
def parity_trial(request: pytest.FixtureRequest) -> Trial:
    """Return the trial of one divergence in one framework; skip the test if that is missing."""
    return cast("Trial", load(request.config).results(request)[0])


@pytest.fixture
def parity_mutant(request: pytest.FixtureRequest) -> MutantResult:
    """Return the result of one mutant; skip the test if its framework is missing."""
    return cast("MutantResult", load(request.config).results(request)[0])


@pytest.fixture
def parity_report(request: pytest.FixtureRequest) -> Callable[[Verdict], Verdict]:
    """Return a function that puts a verdict into the session's report, if it writes one, and returns the verdict."""
    return partial(keep, request.node)


def keep(item: pytest.Item, verdict: Verdict, name: str = "") -> Verdict:
    """Put a verdict into the report of the session, under a name or that of the test, and return it.

    A session writes a report with ``--parity-report DIR``, or if it has checks of this package. Else, nothing is done.
    """
    if PLUGIN in item.config.stash:
        item.config.stash[PLUGIN].keep(item, verdict, name)
    return verdict


FIXTURES = ("parity_results", "parity_training", "parity_trial", "parity_mutant")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture in FIXTURES:
        if fixture in metafunc.fixturenames and _is_ours(metafunc, fixture):
            try:
                load(metafunc.config).parametrize(metafunc, fixture)
            except pytest.UsageError as error:
                raise pytest.Collector.CollectError(str(error)) from error


def _is_ours(metafunc: pytest.Metafunc, fixture: str) -> bool:
    """Tell whether a test gets a fixture from here: a project may replace it, or have a parameter of this name."""
    for definition in reversed(metafunc._arg2fixturedefs.get(fixture, ())):
        if definition.func.__module__ == __name__:
            return True
        if fixture not in definition.argnames:  # it replaces the others, instead of extending them
            return False
    return False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Begin the report under xdist, where only the ids of tests reach the process that writes it."""
    if any(map(CHECK_ID.search, ids)) and not _another_package(node.config):
        load(node.config).expect(ids)
    elif PLUGIN not in node.config.stash and not node.config.pluginmanager.has_plugin(_FirstResult.__name__):
        node.config.pluginmanager.register(_FirstResult(node.config), _FirstResult.__name__)


class _FirstResult:
    """Begins the report of a session without checks, as of mutants, when a worker of xdist sends a result."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "padding_parity"):
            self.config.pluginmanager.unregister(self)
            load(self.config).pytest_runtest_logreport(report)
