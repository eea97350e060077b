"""Run the code of the documentation, parse its commands, and check what is generated from the code."""

from __future__ import annotations

import ast
import builtins
import doctest
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import parity
from docs.generating import SECTIONS, divergence_pages, markdown
from docs.generating.markdown import escaped
from padding_parity_plugin import OPTIONS
from parity.checks.contracts import CONTRACTS
from parity.cli.parser import COMMANDS, command_parser
from parity.divergences import DIVERGENCES, VERDICTS
from parity.frameworks import FRAMEWORKS
from parity.models.contracts import CONTRACTS as OF_A_MODEL
from parity.operations import OPERATIONS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WRITTEN = [file for file in sorted(DOCS.rglob("*.md")) if file.parent.name not in ("divergences", "_example")]
PAGES = {file.relative_to(ROOT).with_suffix("").as_posix(): file.read_text(encoding="utf-8") for file in WRITTEN}
PAGES |= {name: (ROOT / f"{name}.md").read_text(encoding="utf-8") for name in ("README", "CONTRIBUTING")}
PROGRAM = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", re.DOTALL)
ELSEWHERE = {  # pages whose programs have a test of their own
    "README": "test_readme",
    "docs/how-to/your-own-pair": "test_transfer_docs",
    "docs/tutorial/your-own-model": "test_the_example_of_a_model_goes_as_it_says",
    "docs/how-to/your-own-function": "test_the_longer_example_fails_as_it_says",
}
WITH_PROGRAMS = [name for name, text in PAGES.items() if "```python" in text and name not in ELSEWHERE]


def run(program: str, names: dict[str, Any], folder: Path) -> None:
    """Run a program from a file, so that functions in it have a source."""
    file = folder / f"program_{len(list(folder.iterdir()))}.py"
    file.write_text(program, encoding="utf-8")
    exec(compile(program, str(file), "exec"), names)


@pytest.mark.parametrize("page", WITH_PROGRAMS)
def test_the_programs_of_a_page_print_what_it_says(page: str, pytorch: str, capsys: Any, tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "program"}
    for program, quoted in PROGRAM.findall(PAGES[page]):
        run(program, names, tmp_path)
        assert capsys.readouterr().out == quoted


def test_the_example_of_a_model_goes_as_it_says(
    pytorch: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the programs of the page one after the other: the model fails, is mended, reported and recorded."""
    monkeypatch.chdir(tmp_path)
    page = PAGES["docs/tutorial/your-own-model"]
    names: dict[str, Any] = {"__name__": "model"}
    for program in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(program, names)
    first, last = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    printed = capsys.readouterr().out
    assert printed.startswith(first)
    assert printed.endswith(last)
    with pytest.raises(AssertionError, match="depends on how much padding there is"):
        names["test_padding_does_not_matter"]()
    without_plugin = SimpleNamespace(get_plugin=lambda _: None)
    request = SimpleNamespace(config=SimpleNamespace(pluginmanager=without_plugin))
    names["test_reverse"]("ignores_padding", request)
    assert {folder.name for folder in tmp_path.iterdir()} == {"classifier-report", "recording"}


def test_the_longer_example_fails_as_it_says(pytorch: str, capsys: Any) -> None:
    """Run the programs of the page, and the first one once more, mended as it says."""
    first, *others = re.findall(r"```python\n(.*?)```", PAGES["docs/how-to/your-own-function"], re.DOTALL)
    names: dict[str, Any] = {"__name__": "mine"}
    exec(first, names)
    assert "raised ValueError: y has shape (2, 3, 6), expected (2, 5, 6)" in capsys.readouterr().out
    mended = first.replace("(y, batch_first=True)", "(y, batch_first=True, total_length=x.shape[1])")
    assert mended != first
    exec(mended, names)
    assert capsys.readouterr().out == "✓ mine (pytorch) for rnn.lstm keeps matches_reference\n"
    for program in others:
        exec(program, names)


def test_every_page_with_programs_is_run() -> None:
    assert set(ELSEWHERE) < {name for name, text in PAGES.items() if "```python" in text}
    languages = {name for text in PAGES.values() for name in re.findall(r"^```(\S+)", text, re.MULTILINE)}
    assert languages == {"python", "text", "sh", "{generated}", "{toctree}", "{eval-rst}"}


OPTION = re.compile(r"--[a-z][a-z-]*")
TOOLS = {"dask", "kill", "ruff", "mypy", "twine", "cd"}  # they are not ours, or come with the extra for linters


def shell_commands() -> Iterator[str]:
    """Yield the commands of all blocks for a shell, without comments and redirections."""
    for text in PAGES.values():
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                yield from filter(None, map(str.strip, line.partition("#")[0].split("&&")))


def in_tables() -> Iterator[str]:
    """Yield the commands of the README's table."""
    yield from re.findall(r"^\|[^|]*\| `((?:parity|pytest) [^`]*)` \|", PAGES["README"], re.MULTILINE)


def problem_of(command: str) -> str:
    """Return the reason why a command of a page cannot be run; empty if it can."""
    words = re.sub(r'>>.*|"', "", command).split()
    if words[0] == "parity":
        if words[1:2] and words[1] not in COMMANDS:
            return f"no command {words[1]}"
        try:
            command_parser(words[1] if words[1:] else "").parse_args(words[1:])
        except SystemExit as error:
            return f"exit status {error.code}"
    elif words[0] == "pytest":
        known = {*OPTIONS, "--parity-scale", "--benchmark-only", "--benchmark-json", "--hypothesis-profile"}
        return " ".join(set(OPTION.findall(command)) - known)
    elif words[:2] == ["pip", "install"]:
        extras = {name for names in re.findall(r"\[([a-z,]+)\]", command) for name in names.split(",")}
        return " ".join(extras - set(PROJECT["optional-dependencies"]))
    elif words[0] in ("python", "sphinx-build"):
        return " ".join(word for word in words[1:] if word.endswith((".py", "docs")) and not (ROOT / word).exists())
    elif words[0] not in TOOLS:
        return "unknown"
    return ""


@pytest.mark.parametrize("command", sorted({*shell_commands(), *in_tables()}))
def test_a_command_of_a_page_can_be_run(command: str) -> None:
    assert not problem_of(command)


@pytest.mark.parametrize("command", ["parity chek", "parity check --lenghts 3", "pytest --parity-foo", "rm -r /"])
def test_a_wrong_command_is_noticed(command: str) -> None:
    assert problem_of(command)


def test_the_tables_have_every_operation_contract_option_and_command() -> None:
    sections = {name: generate() for name, generate in SECTIONS.items()}
    for row in OPERATIONS.values():
        variants = (", ".join(f"`{variant}`" for variant in row.variants[framework]) for framework in FRAMEWORKS)
        assert f"| `{row.name}` | {' | '.join(variants)} |" in sections["operations"]
    for contract in CONTRACTS.values():
        assert f"| `{contract.name}` | {escaped(contract.promise)} |" in sections["contracts"]
    for name, one in OF_A_MODEL.items():
        assert f"| `{name}` | {escaped(one.promise)} |" in sections["model-contracts"]
    assert all(f"`{name}" in sections["pytest-options"] for name in OPTIONS)
    assert all(f"## parity {name}\n" in sections["command-line"] for name in COMMANDS)
    assert all(f"**{verdict}**" in sections["verdicts"] for verdict in VERDICTS)
    assert "### Summary\n" in sections["report-types"]


def test_the_examples_of_the_generating_code_hold() -> None:
    assert doctest.testmod(markdown) == (0, 3)


def test_every_generated_section_has_its_place() -> None:
    used = {name for text in PAGES.values() for name in re.findall(r"```\{generated\} (\S+)", text)}
    assert used | {"verdicts"} == set(SECTIONS)


def test_the_reference_has_every_public_name() -> None:
    page = PAGES["docs/reference/python-api"]
    assert not [name for name in parity.__all__ if f"parity.{name}" not in page and name != "__version__"]


def test_every_divergence_has_a_page_with_its_text_and_its_code() -> None:
    pages = divergence_pages()
    assert set(pages) == {"index", *DIVERGENCES}
    for entry in DIVERGENCES.values():
        assert f"]({entry.name}.md)" in pages["index"]
        for text in (escaped(entry.why), escaped(entry.instead), *map(entry.program, entry.snippets)):
            assert text in pages[entry.name]


def free_names(program: str) -> set[str]:
    """Return the names that a program reads and nothing in it defines."""
    nodes = list(ast.walk(ast.parse(program)))
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    stored |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    stored |= {
        node.name or "" for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler))
    }
    imports = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    stored |= {(one.asname or one.name).partition(".")[0] for node in imports for one in node.names}
    return loaded - stored - set(dir(builtins))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_code_of_a_page_runs_as_it_stands(name: str) -> None:
    """Compile each snippet as a program; the same lines run in the trials of the catalogue."""
    entry = DIVERGENCES[name]
    for framework in entry.snippets:
        program = entry.program(framework)
        compile(program, name, "exec")
        assert program.splitlines()[-1].endswith(")")
        assert not free_names(program)


def test_a_program_prints_what_the_snippet_returns(pytorch: str, capsys: Any) -> None:
    entry = DIVERGENCES["packing.batch_first"]
    exec(entry.program("pytorch"), {})
    assert capsys.readouterr().out == f"{entry.run('pytorch')}\n"


def test_links_of_pages_lead_somewhere() -> None:
    for file in WRITTEN:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            generated = (file.parent / link).resolve().is_relative_to(DOCS / "divergences")
            assert generated or (file.parent / link).exists(), f"{file.name}: {link}"
