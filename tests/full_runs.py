"""Leave out tests that take long, unless the run is a full one."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def unless_full(request: pytest.FixtureRequest, is_slow: Callable[[str], bool]) -> None:
    """Skip a test whose parameter ``name`` is that of a slow one, without ``--parity-full``."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if "name" in params and is_slow(params["name"]) and not request.config.getoption("--parity-full"):
        pytest.skip("run with --parity-full")
