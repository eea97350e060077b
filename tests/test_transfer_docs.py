"""Run the programs of the page about transferring weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.full_runs import full_run

pytest.importorskip("torch")
pytest.importorskip("keras")
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "your-own-pair.md").read_text(encoding="utf-8")


@full_run
@pytest.mark.filterwarnings("ignore")  # of the export to ONNX
def test_the_examples_print_what_the_page_says(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compare all but the differences, which another machine rounds in another way."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "pair"}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(program, names)
    quoted = "".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL))
    printed = capsys.readouterr().out
    number = r"[0-9.]+e([-+][0-9]+)"
    assert re.sub(number, "number", printed) == re.sub(number, "number", quoted)
    exponents = [[int(one) for one in re.findall(number, text)] for text in (printed, quoted)]
    assert all(abs(a - b) <= 1 or (a < -14 and b < -14) or not (a and b) for a, b in zip(*exponents, strict=True))
