"""One file for each command of ``parity``: what it is for, what it takes, and what it prints.

Each has ``HELP``, ``add_options(parser)`` and ``run(options)``, which returns the exit status.
"""

from __future__ import annotations
