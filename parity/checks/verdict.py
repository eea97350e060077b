"""The verdict on a model or a function of a user's: whether it holds, and the explanation."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

import parity
from parity.checks.blame import Blame, LayerMask
from parity.checks.explanation import explanation
from parity.checks.result import FAILED, PASSED, XFAILED, Result


class Verdict(Struct, frozen=True, kw_only=True, tag_field="kind", tag="own"):
    """The findings about a model or a function of a user's. It is true if it holds; as a text, it explains itself.

    Attributes:
        name, framework: of the model or function.
        operation: what the function claims to compute; empty for a model.
        results: of all contracts that were tried.
        declined: contract -> why it was not tried.
        blames: contract -> where the difference begins.
        causes: contract -> why it is broken, in words.
        otherwise: contract -> what one does that breaks it.
        axes: output -> its axes, "B" for rows and "T" for steps.
        masks: in Keras, those of all layers in the order of calls; empty where no layer has one.
        notes: what is worth knowing besides: what was guessed, in which precision the tolerance was measured.
    """

    name: str
    framework: str
    operation: str = ""
    results: tuple[Result, ...] = ()
    declined: dict[str, str] = {}  # a Struct copies it
    blames: dict[str, Blame] = {}
    causes: dict[str, str] = {}
    otherwise: dict[str, str] = {}
    axes: dict[str, str] = {}
    masks: tuple[LayerMask, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.failed and any(result.status in (PASSED, XFAILED) for result in self.results)

    def __str__(self) -> str:
        """Explain it in at most twelve lines, a paragraph for each cause."""
        return explanation(self)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the contracts that are broken."""
        return tuple(dict.fromkeys(result.contract for result in self.results if result.status == FAILED))

    @property
    def passed(self) -> tuple[str, ...]:
        """Return the contracts that hold."""
        tried = dict.fromkeys(result.contract for result in self.results if result.status == PASSED)
        return tuple(contract for contract in tried if contract not in self.failed)

    @property
    def first_difference(self) -> Blame | None:
        """Return where the first broken contract begins to differ."""
        return next((self.blames[contract] for contract in self.failed if contract in self.blames), None)

    def only(self, contract: str) -> Verdict:
        """Return what it says of one contract."""
        results = tuple(result for result in self.results if result.contract == contract)
        declined = {name: why for name, why in self.declined.items() if name == contract}
        blames = {name: blame for name, blame in self.blames.items() if name == contract}
        causes = {name: why for name, why in self.causes.items() if name == contract}
        return replace(self, results=results, declined=declined, blames=blames, causes=causes)

    def report(self, folder: str | Path) -> list[Path]:
        """Write it as a report: report.json, report.md and index.html, which replace those of an earlier one.

        Args:
            folder: created when it is not there.

        Raises:
            InputError: the folder has other files of these names, or cannot be written.
            NotWritten: a file cannot be written, as on a full disk.
        """
        files: list[Path] = parity.report.write_verdict(self.name, self, folder)
        return files
