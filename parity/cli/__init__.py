"""Define the commands of ``parity``, one module for each.

A command has ``add_options(parser)`` and ``run(options)``, which returns the exit status. It is imported when it is
asked for: to import all takes longer than ``parity --version`` does.
"""

from __future__ import annotations
