"""Check the architecture: mirrored implementations, imports that point one way, nothing heavy loaded early."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

import parity
from parity import frameworks, sample_case
from parity.arrays import FLOATS
from parity.cases.lengths import lengths_of
from parity.operations import OPERATIONS

ROOT = Path(parity.__file__).parent
TOPICS = sorted({operation.topic for operation in OPERATIONS.values()})


def imported(file: Path) -> set[str]:
    """Return the modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


STRATEGIES = {
    "reference": {"optimiser.py"},
    "pytorch": {"buckets.py", "choice.py", "optimiser.py", "packing.py"},
    "tensorflow": {"buckets.py", "optimiser.py", "packing.py"},
}


@pytest.mark.parametrize("framework", frameworks.WITH_REFERENCE)
def test_every_framework_has_the_same_files(framework: str) -> None:
    """Expect one for each topic and one to train; the frameworks have strategies, which the definition does without."""
    expected = {"__init__.py", "runtime.py", *(f"{topic}.py" for topic in TOPICS)} | STRATEGIES[framework]
    assert {file.name for file in (ROOT / framework).glob("*.py")} == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_framework_has_the_same_function_with_the_same_arguments(operation: str, framework: str) -> None:
    row = OPERATIONS[operation]
    theirs, ours = (
        inspect.signature(getattr(import_module(f"parity.{side}.{row.topic}"), row.function)).parameters
        for side in (framework, "reference")
    )
    assert [name for name in theirs if name != "variant"] == list(ours)
    assert [theirs[name].default for name in ours] == [ours[name].default for name in ours]
    assert theirs["variant"].default == row.variants[framework][0]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_function_takes_what_its_row_gives(operation: str) -> None:
    row = OPERATIONS[operation]
    taken = set(inspect.signature(getattr(import_module(f"parity.reference.{row.topic}"), row.function)).parameters)
    for config in row.configurations:
        given = {name.partition(".")[0] for name in config.inputs} | set(config.options) | {"lengths"}
        assert given <= taken


LIBRARIES = {"reference": {"autograd", "numpy"}, "pytorch": {"torch"}, "tensorflow": {"tensorflow", "keras"}}


@pytest.mark.parametrize(
    "file",
    [f for framework in frameworks.WITH_REFERENCE for f in (ROOT / framework).glob("*.py")],
    ids=lambda f: f"{f.parent.name}/{f.name}",
)
def test_a_framework_imports_its_framework_and_its_own_files_only(file: Path) -> None:
    framework = file.parent.name
    roots = {name.partition(".")[0] for name in imported(file)} - set(sys.stdlib_module_names)
    assert roots <= LIBRARIES[framework] | {"parity"}
    ours = {name for name in imported(file) if name.startswith("parity")}
    if file.name == "buckets.py":  # where to cut is a question about lengths, and NumPy answers it for both
        ours -= {"parity", "parity.bucketing"}
    assert all(name.startswith(f"parity.{framework}") for name in ours)


LAYERS = (
    *(
        "errors",
        "caching",
        "arrays",
        "bucketing",
        "operations",
        "cases",
        "frameworks",
        "checks",
        "models",
        "pairs",
        "divergences",
    ),
    *(
        "training",
        "mutants",
        "functions",
        "testing",
        "throughput",
        "report",
        "cluster",
        "diff",
        "cli",
        "pytest_plugin",
        "__main__",
    ),
)


def test_imports_point_one_way() -> None:
    """Check that a module imports only from its own package, or from one further down."""
    for file in ROOT.rglob("*.py"):
        package = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if package in LAYERS:  # implementations import themselves and a framework: see the other tests
            imports = {name.split(".")[1] for name in imported(file) if name.startswith("parity.")}
            assert imports & set(LAYERS) <= set(LAYERS[: LAYERS.index(package) + 1]), file


def test_packages_only_re_export() -> None:
    """Check that an ``__init__`` has no function and no class; the public names of `parity` load on first use."""
    for file in ROOT.rglob("__init__.py"):
        if file.parent != ROOT:
            body = ast.parse(file.read_text(encoding="utf-8")).body
            assert not [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)], file


def test_no_module_is_shadowed_by_a_name_that_its_package_re_exports() -> None:
    for file in ROOT.rglob("__init__.py"):
        package = import_module(".".join(file.parent.relative_to(ROOT.parent).parts))
        for module in (*file.parent.glob("*.py"), *(folder.parent for folder in file.parent.glob("*/__init__.py"))):
            name = vars(package).get(module.stem)
            assert name is None or inspect.ismodule(name), f"{package.__name__}.{module.stem}"


def test_no_function_is_longer_than_40_lines() -> None:
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
                assert (node.end_lineno or 0) - node.lineno + 1 - docstring <= 40, f"{file}: {node.name}"


HEAVY = ("torch", "tensorflow", "keras", "autograd", "rich", "jinja2", "pytest")


def loaded_by(statement: str) -> set[str]:
    """Return the heavy modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*(set(sys.modules) & set({HEAVY!r})))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


LIGHT = [
    "import parity",
    "import parity.checks.selection, parity.pytest_plugin; parity.checks.selection.plan()",
    "import parity.training; parity.training.plan()",
    "import parity; parity.sample_case",
    "import parity.__main__",
]


@pytest.mark.parametrize("statement", LIGHT)
def test_nothing_heavy_loads_early(statement: str) -> None:
    assert loaded_by(statement) - {"pytest"} == set()


def test_the_check_for_early_loading_can_fail() -> None:
    assert loaded_by(
        "import parity; parity.observe(parity.sample_case('rnn.rnn','tanh','ragged','float32',0),'reference')"
    ) == {"autograd"}


def test_public_names_resolve_and_a_wrong_one_is_named() -> None:
    assert {name for name in parity.__all__ if getattr(parity, name) is None} == set()
    with pytest.raises(AttributeError, match=r"no attribute 'Btach'; it has: .*Batch"):
        _ = parity.Btach


@pytest.mark.parametrize("operation", OPERATIONS)
def test_expected_failures_and_omissions_are_about_something_that_exists(operation: str) -> None:
    """Check that each matches a case of its row: one that matches nothing is never put to the test."""
    row = OPERATIONS[operation]
    variants = {f"{framework}.{variant}" for framework in frameworks.FRAMEWORKS for variant in row.variants[framework]}
    cases = [f"{config.name}/{lengths}" for config in row.configurations for lengths in lengths_of(config)]
    assert set(row.omits) <= variants
    for expected_failure in row.expected_failures:
        framework, contract = expected_failure.variant.partition(".")[0], expected_failure.contract
        tried = product(cases, (*frameworks.MODES[framework], *frameworks.COMPILED[framework]), FLOATS)
        matching = [
            case
            for case, *how in tried
            if row.expected_failure(expected_failure.variant, case, *how, contract) is expected_failure
        ]
        assert expected_failure.variant in variants
        assert matching


@pytest.mark.parametrize("topic", ["rnn", "bidirectional"])
def test_every_variant_is_a_function_of_its_own(topic: str, framework: str) -> None:
    table = import_module(f"parity.{framework}.{topic}").VARIANTS
    assert len(set(table.values())) == len(table)
    for row in (OPERATIONS[f"{topic}.{cell}"] for cell in ("rnn", "gru", "lstm")):
        only_lstm = {"padded_native"} if row.function != "lstm" else set()  # oneDNN has no other cell
        assert [variant for variant in table if variant not in only_lstm] == list(row.variants[framework])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_misspelt_variant_is_refused_by_the_function_itself(operation: str, framework: str) -> None:
    row = OPERATIONS[operation]
    if len(row.variants[framework]) == 1:
        pytest.skip("one variant only: there is nothing to choose")
    case = sample_case(operation, row.configurations[0].name, lengths_of(row.configurations[0])[0], "float32", 0)
    function = getattr(import_module(f"parity.{framework}.{row.topic}"), row.function)
    misspelt = frameworks.bind(function, row, case.config, variant="pakced")
    with pytest.raises(ValueError, match="variant: got 'pakced', expected one of: "):
        frameworks.run(case, framework, misspelt, "pakced", "eager")
