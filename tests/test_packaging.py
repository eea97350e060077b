"""Check what is packaged, and that what is imported is declared."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from shutil import copy, which

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import padding_parity_plugin
import parity
from parity import frameworks, report
from tests.factories import small_report

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOWEST = ROOT / "lowest.txt"  # the job of the oldest versions writes it

DISTRIBUTIONS = {  # other names than modules; docutils comes with Sphinx
    "docutils": "sphinx",
    "markdown_it": "markdown-it-py",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
LIBRARY = (
    PROJECT["dependencies"],
    EXTRAS["torch"],
    EXTRAS["tensorflow"],
    EXTRAS["cluster"],
    EXTRAS["safetensors"],
    EXTRAS["onnx"],
)
PLUGIN = ("parity/testing.py", "padding_parity_plugin.py", "parity/pytest_plugin.py")  # only pytest imports these
OWN = {"parity", "padding_parity_plugin", "tests", "benchmarks", "docs"}


def names(*requirements: list[str]) -> set[str]:
    """Return the distributions that requirements name."""
    return {Requirement(one).name for extra in requirements for one in extra}


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it, by a statement or by a call."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "importorskip")):
            yield from (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


def sources() -> list[str]:
    """List the files in Python, relative to the project."""
    folders = ("parity", "tests", "benchmarks", "docs")
    files = [*ROOT.glob("*.py"), *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]
    return sorted(file.relative_to(ROOT).as_posix() for file in files)


def test_what_is_imported_is_declared() -> None:
    """Expect dependencies of the library in the library, and those of the tests in the tests."""
    undeclared = {}
    for name in sources():
        packages = {module.partition(".")[0] for module in imported(ROOT / name)} - set(sys.stdlib_module_names) - OWN
        needed = {DISTRIBUTIONS.get(package, package.replace("_", "-")) for package in packages}
        library = name.startswith("parity/") or name in PLUGIN
        declared = names(*LIBRARY) if library else names(*LIBRARY, EXTRAS["test"])
        declared |= names(EXTRAS["docs"]) if name.startswith("docs/") else set()
        undeclared[name] = needed - declared - ({"pytest"} if name in PLUGIN else set())
    assert not {name: found for name, found in undeclared.items() if found}


def test_the_search_for_imports_finds_a_call() -> None:
    assert "playwright.sync_api" in set(imported(ROOT / "tests" / "test_page.py"))


def test_every_requirement_has_one_lower_bound() -> None:
    for requirement in (Requirement(one) for extra in (PROJECT["dependencies"], *EXTRAS.values()) for one in extra):
        operators = [one.operator for one in requirement.specifier]
        assert operators == ([] if requirement.name == PROJECT["name"] else [">="]), requirement


@pytest.mark.skipif(not LOWEST.exists(), reason="these are not the oldest versions")
def test_the_oldest_versions_are_those_that_are_declared() -> None:
    for requirement in (Requirement(one) for extra in (*LIBRARY, EXTRAS["test"]) for one in extra):
        for bound in requirement.specifier:
            assert Version(version(requirement.name).partition("+")[0]) == Version(bound.version), requirement


def test_the_version_is_the_same_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert PROJECT["version"] == parity.__version__


REPOSITORY = re.compile(r'constraints\.txt|pyproject|"\.\[|(?<![\w/.])(?:docs|tests|benchmarks|parity)/[a-z_]')


def test_no_message_names_a_file_of_the_repository() -> None:
    """Look through all text but docstrings: whoever has installed a wheel has no such file."""
    for file in (ROOT / "parity").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        docstrings = [node.value for node in nodes if isinstance(node, ast.Expr)]
        constants = [node for node in nodes if isinstance(node, ast.Constant) and node not in docstrings]
        texts = [node.value for node in constants if isinstance(node.value, str)]
        assert not [text for text in texts if REPOSITORY.search(text)], file


def tracked() -> set[str]:
    """List the files of the repository that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if (ROOT / name).is_file()}


def build(what: str, folder: Path) -> Path:
    """Build "sdist" or "wheel" from a folder, as pip does."""
    code = f"from setuptools import build_meta; print(build_meta.build_{what}('dist'))"
    process = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return folder / "dist" / process.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unpacked source distribution."""
    pytest.importorskip("setuptools", minversion="77.0.1")
    if not which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is no repository of git")
    repository, unpacked = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("sdist")
    for name in tracked():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, repository / name)
    with tarfile.open(build("sdist", repository)) as archive:
        archive.extractall(unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    return folder


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build("wheel", sdist)) as archive:
        archive.extractall(folder)
    return folder


GENERATED = re.compile(r"PKG-INFO|setup\.cfg|padding_parity\.egg-info/.*|(build|dist)/.*")


def contents(folder: Path) -> set[str]:
    """List the files in a folder and in those within it."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_sdist_has_all_files_of_the_repository_so_that_its_tests_run(sdist: Path) -> None:
    assert {name for name in contents(sdist) if not GENERATED.fullmatch(name)} == tracked()


def test_the_wheel_has_the_package_and_the_plugin(wheel: Path) -> None:
    library = {name for name in tracked() if name.startswith("parity/")} | {"padding_parity_plugin.py"}
    assert {name for name in contents(wheel) if ".dist-info" not in PurePosixPath(name).parts[0]} == library


FRAMEWORK = next(name for name, package in frameworks.EXTRAS.items() if find_spec(package))
SELECTED = ("--operation", "bidirectional.reverse_sequence", "--framework", FRAMEWORK, "--contract", "repeatable")
CONFTEST = """
from msgspec.structs import replace
from parity.checks.check import Check
Check.run = lambda check: [replace(check.result("eager", "features/ragged", "passed"), compared=1)]
"""
TEST = """
import padding_parity_plugin, parity
from pathlib import Path
def test_contract(parity_results):
    print(Path(padding_parity_plugin.__file__).parent, Path(parity.__file__).parents[1])
"""
COMMANDS = {
    "parity": ("-m", "parity", "check", *SELECTED, "--dtype", "float32", "--jobs", "1"),
    "pytest": ("-m", "pytest", "-s", "--parity-jobs=1", "-k", "reverse_sequence and float32 and repeatable"),
}


WRITTEN = {"parity": "parity-selection", "pytest": "parity-pytest"}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_wheel_installs_runs_elsewhere(name: str, wheel: Path, tmp_path: Path) -> None:
    """Run it in a folder with nothing but a test, where `parity` is what the wheel has."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    command = [sys.executable, *COMMANDS[name]]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / WRITTEN[name] / "index.html").exists()
    assert name == "parity" or f"{wheel} {wheel}" in run.stdout


DATA = (".jinja", ".js", ".css", ".npz", ".tsv", ".txt")
IN_A_ZIP = """
import sys, parity
from parity.__main__ import main
from parity.cases.real_data import speeches, utterances
from parity.checks.costs import estimate
from parity.mutants import MUTANTS
from parity.mutants.mutant import mutated_function
assert sys.argv[1] in parity.__file__
speeches(), utterances()
estimate("rnn.lstm", "pytorch")
mutated_function(next(mutant for mutant in MUTANTS.values() if mutant.framework == sys.argv[2]))
sys.exit(main(["report", "there"]))
"""


def test_the_package_runs_from_a_zip_file(tmp_path: Path) -> None:
    """Expect the same page as from a folder; data and the sources of mutants are read too."""
    report.write(small_report(), tmp_path / "there")
    page = (tmp_path / "there" / "index.html").read_bytes()
    with zipfile.ZipFile(tmp_path / "it.zip", "w") as archive:
        for name in (name for name in contents(ROOT / "parity") if name.endswith((".py", *DATA))):
            archive.write(ROOT / "parity" / name, f"parity/{name}")
    (tmp_path / "there" / "index.html").unlink()
    process = subprocess.run(
        [sys.executable, "-c", IN_A_ZIP, "it.zip", FRAMEWORK],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "it.zip"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (1, "")  # the report has failures
    assert (tmp_path / "there" / "index.html").read_bytes() == page


def test_the_plugin_has_one_name_that_nobody_else_has() -> None:
    """Expect the module's, by which ``-p`` finds it too: under another one, pytest would register it twice."""
    assert PROJECT["entry-points"]["pytest11"] == {padding_parity_plugin.__name__: padding_parity_plugin.__name__}
