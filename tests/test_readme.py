"""Check the numbers of README and docs against the code and the committed example."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.checks.contracts import CONTRACTS
from parity.checks.noise import LARGEST_ELEMENT, LARGEST_NORM
from parity.checks.sweep import QUANTILES
from parity.divergences import DIVERGENCES
from parity.frameworks import FRAMEWORKS
from parity.models.contracts import CONTRACTS as OF_A_MODEL
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "docs").rglob("*.md")}
PLAIN = README.replace("**", "").replace("\n", " ")
CHECKED = DOCS["checking-the-checks"].replace("\n", " ")
RESULTS = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
COLUMNS = {
    "pytorch": ("padded", "packed", "bucketed", "real_steps"),
    "tensorflow": ("padded", "masked", "bucketed", "packed"),
}
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "rnn.lstm": "LSTM", "rnn.gru": "GRU"}
LARGE = {"distribution": "lognormal", "phase": "train", "B": 64, "T": 128, "D": 128, "H": 256}


def timed(framework: str, operation: str, variant: str) -> Mapping[str, Any]:
    """Return the committed measurement of one variant at the size of the README's table."""
    wanted = LARGE | {"framework": framework, "operation": operation, "variant": variant}
    mode = {"pytorch": "eager", "tensorflow": "graph"}[framework]
    (row,) = (
        row
        for row in RESULTS["throughput"]["rows"]
        if row["mode"] == mode and all(row[k] == v for k, v in wanted.items())
    )
    return row


def in_the_table(framework: str, operation: str) -> list[str]:
    """Return a row of the table: milliseconds, times as fast as padded, and the best one's share of the peak."""
    rows = [timed(framework, operation, variant) for variant in COLUMNS[framework]]
    cells = [f"{1000 * rows[0]['seconds']:.0f}"]
    cells += [f"{1000 * row['seconds']:.0f} · {row['speedup']['median']:.2f}" for row in rows[1:]]
    return [f"{NAMES[framework]} {NAMES[operation]}", *cells, f"{100 * rows[-1]['share_of_peak']:.0f} %"]


@pytest.mark.parametrize("operation", ["rnn.lstm", "rnn.gru"])
@pytest.mark.parametrize("framework", COLUMNS)
def test_the_times_are_those_of_the_example(framework: str, operation: str) -> None:
    assert f"| {' | '.join(in_the_table(framework, operation))} |" in PLAIN


def test_the_example_says_when_and_where() -> None:
    environment, measured = RESULTS["environment"], RESULTS["throughput"]
    for name in ("torch", "tensorflow", "keras"):
        version = str(environment["versions"][name]).partition("+")[0]
        assert f"{name} {version}" in PLAIN
        assert str(measured["versions"][name]).partition("+")[0] == version
    year, _, day = str(measured["date"])[:10].split("-")
    assert re.search(rf"\b{int(day)} \w+ {year}", PLAIN)


def test_the_counts_are_those_of_the_code() -> None:
    assert f"{len(MUTANTS)} of them are killed" in PLAIN
    assert f"{len(MUTANTS)} of them are killed" in CHECKED
    assert f"{len(OPERATIONS)} operations" in PLAIN
    assert f"{len(DIVERGENCES)} entries" in PLAIN
    assert f"{LARGEST_ELEMENT:g} for the worst element and {LARGEST_NORM:g} norm-wise" in PLAIN
    assert RESULTS["summary"]["checks"]["failed"] == 0


def test_the_docs_name_every_operation_variant_and_contract() -> None:
    for row in OPERATIONS.values():
        variants = (", ".join(f"`{variant}`" for variant in row.variants[framework]) for framework in FRAMEWORKS)
        assert f"| `{row.name}` | {' | '.join(variants)} |" in DOCS["operations"]
    for contract in CONTRACTS.values():
        assert f"| `{contract.name}` | {contract.promise} |" in DOCS["contracts"]
        assert f"`{contract.name}`" in README


def test_the_divergences_are_those_of_the_catalogue() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (differs|true|partly true|false) \|", README, re.MULTILINE)
    assert rows
    assert [DIVERGENCES[name].verdict for name, _ in rows] == [verdict for _, verdict in rows]


def test_the_sweep_is_that_of_the_example() -> None:
    sweep = RESULTS["sweep"]
    for text in (PLAIN, CHECKED):
        assert f"{sweep['seeds']} seeds" in text
        assert f"{sweep['checks']:,}".replace(",", " ") in text
    assert sweep["failed"] == 0
    for kind, limit in (("element", "64"), ("norm", "16")):
        largest = max(row[kind][QUANTILES.index(100)] for row in sweep["rows"] if row[kind])
        assert re.search(rf"largest {kind} (scored )?{largest:g} of {limit}", CHECKED)


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), link


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_failing_sentence_is_what_the_program_raises(pytorch: str) -> None:
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def mean" in block)
    with pytest.raises(AssertionError) as error:
        exec(program, {"__name__": "mean"})
    quoted = " ".join(line.removeprefix("> ") for line in README.splitlines() if line.startswith("> "))
    lines = map(str.strip, str(error.value).splitlines()[:3])
    assert quoted == f"AssertionError: {' '.join(lines)}"


def test_the_first_example_prints_what_it_says(pytorch: str) -> None:
    program, quoted = re.findall(r"```(?:python|text)\n(.*?)```", README, re.DOTALL)[:2]
    with pytest.raises(AssertionError) as error:
        exec(program, {"__name__": "tagger"})
    assert f"AssertionError: {str(error.value).splitlines()[0]}\n" == quoted


def test_the_example_of_a_model_goes_as_it_says(
    pytorch: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the programs of the page one after the other: the model fails, is mended, reported and recorded."""
    monkeypatch.chdir(tmp_path)
    page = DOCS["your-own-model"]
    names: dict[str, Any] = {"__name__": "model"}
    for program in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(program, names)
    (quoted,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert capsys.readouterr().out.startswith(quoted)
    with pytest.raises(AssertionError, match="depends on how much padding there is"):
        names["test_padding_does_not_matter"]()
    without_plugin = SimpleNamespace(get_plugin=lambda _: None)
    request = SimpleNamespace(config=SimpleNamespace(pluginmanager=without_plugin))
    names["test_reverse"]("ignores_padding", request)
    assert {folder.name for folder in tmp_path.iterdir()} == {"classifier-report", "recording"}


def test_the_docs_name_every_contract_of_a_model() -> None:
    for name, contract in OF_A_MODEL.items():
        assert f"| `{name}` | {contract.promise} |" in DOCS["your-own-model"]


def test_the_longer_example_fails_as_it_says(pytorch: str, capsys: Any) -> None:
    """Run the program of the docs, and once more mended as they say."""
    (program,) = (
        block for block in re.findall(r"```python\n(.*?)```", DOCS["your-own-function"], re.DOTALL) if "mine" in block
    )
    exec(program, {"__name__": "mine"})
    assert "raised ValueError: y has shape (2, 3, 6), expected (2, 5, 6)" in capsys.readouterr().out
    mended = program.replace("(y, batch_first=True)", "(y, batch_first=True, total_length=x.shape[1])")
    assert mended != program
    exec(mended, {"__name__": "mine"})
    assert capsys.readouterr().out == "✓ mine (pytorch) for rnn.lstm keeps matches_reference\n"
