"""Keep what a model of a user's does to the process from outliving its run."""

from __future__ import annotations

import io
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn

import numpy as np


class Exited(Exception):
    """The model tried to end the process."""


def _no_exit(status: int = 0) -> NoReturn:
    raise Exited(f"it called os._exit({status})")


@contextmanager
def isolated() -> Iterator[None]:
    """Restore random numbers, warnings, the folder and the environment; swallow prints; let nothing end the process."""
    states = random.getstate(), np.random.get_state()
    folder, variables, leave = Path.cwd(), dict(os.environ), os._exit
    try:
        os._exit = _no_exit
        with warnings.catch_warnings(), np.errstate(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except SystemExit as error:
        raise Exited(f"it called sys.exit({error.code!r})") from error
    finally:
        os._exit = leave
        random.setstate(states[0])
        np.random.set_state(states[1])
        if os.environ != variables:
            os.environ.clear()
            os.environ.update(variables)
        if Path.cwd() != folder:
            os.chdir(folder)
