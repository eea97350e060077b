"""Two records of one suite: what newly fails, what newly passes, what moved, what appeared and what went.

`changes` compares them, `sections` arranges that for a reader, `text` and `markdown` write it. Nothing here runs a
framework; it all comes from two report.json.
"""

from __future__ import annotations

from parity.diff.changes import Changes, changes

__all__ = ["Changes", "changes"]
