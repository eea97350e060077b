"""Define the commands of ``parity``, one module for each.

A command has ``HELP``, ``add_options(parser)`` and ``run(options)``, which returns the exit status.
"""

from __future__ import annotations
