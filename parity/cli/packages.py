"""Load the packages that this one cannot do without, so that the one that fails can be named."""

from __future__ import annotations

from importlib import import_module

from parity.cli.streams import RECEIVED
from parity.errors import INTERRUPTS, first_lines, message_of

NEEDED = {  # module -> a name in it that is used
    "numpy": "ndarray",
    "ml_dtypes": "bfloat16",
    "msgspec": "Struct",
    "rich.progress": "Progress",
    "markupsafe": "Markup",
    "jinja2": "Environment",
    "autograd.numpy": "ndarray",
    "pygments": "highlight",
}


def unusable() -> str:
    """Return which needed package cannot be imported, and why; empty if all can."""
    for module, name in NEEDED.items():
        try:
            getattr(import_module(module), name)
        except INTERRUPTS:
            raise
        except BaseException as error:  # a broken installation may raise anything, even SystemExit
            if RECEIVED:  # some imports make an ImportError of an interrupt
                raise
            return f"{module.partition('.')[0]} cannot be imported: {first_lines(message_of(error))}"
    return ""
