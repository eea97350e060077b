"""Write the files of a report, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from parity.errors import NotWritten, file_name, of_kind
from parity.files import replace_files
from parity.report.model import Report, encode

REPORT = "report.json"
FILES = (REPORT, "report.md", "index.html")


def write(report: Report, folder: str | Path) -> list[Path]:
    """Write report.json, report.md and index.html, replacing earlier ones whole or not at all.

    Args:
        report: from `parity.report.build` or `read`.
        folder: created when it is not there.

    Returns:
        The files.

    Raises:
        NotWritten: the folder or a file cannot be written, as on a full disk; an earlier report is still there.
    """
    path = file_name("folder", folder)
    of_kind("report", report, Report, "a Report, from parity.report.build or read")
    contents = {name: text.encode("utf-8", "backslashreplace") for name, text in _texts(report).items()}
    try:
        path.mkdir(parents=True, exist_ok=True)
        return replace_files(path, contents)
    except OSError as error:
        raise NotWritten(folder, error) from error


def _texts(report: Report) -> dict[str, str]:
    from parity.report.html import render_page
    from parity.report.markdown import render_markdown
    from parity.report.view import arrange

    arranged = arrange(report)
    return {REPORT: encode(report), "report.md": render_markdown(arranged), "index.html": render_page(arranged)}
