"""Find how layers of two models keep statistics of batches differently, and how that is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np

from parity.pairs.conventions import Convention, Trainers
from parity.pairs.trainer import Trainer
from parity.pairs.trajectories import Layout, Path

ROUND = 9  # digits of a share that is read off two sequences of statistics


def of_statistics(trainers: Trainers) -> Iterator[Convention]:
    """Yield the layers that keep the unbiased variance of a batch."""
    for one in trainers:
        paths = list(one.framework.norms(one.half.side)) if one.half.side.framework == "pytorch" else []
        if paths:
            more = f" and {len(paths) - 1} layers more" if len(paths) > 1 else ""
            said = f"the running variance of `{paths[0]}`{more} {one.half.name} is unbiased: it divides by n - 1"
            yield Convention("variance", said, context=_biased(one, paths))


def _biased(trainer: Trainer, paths: Sequence[str]) -> Callable[[], AbstractContextManager[object]]:
    @contextmanager
    def context() -> Iterator[None]:
        with ExitStack() as stack:
            for path in paths:
                stack.enter_context(trainer.framework.biased(trainer.half.side, path))
            yield

    return context


def shares(trainers: Trainers, paths: tuple[Path, Path], layout: Layout) -> Iterator[Convention]:
    """Yield the momentum of layers with statistics that move by another share on the other side, as read off them."""
    for number in (1, 0):
        trainer, other = trainers[number], trainers[1 - number]
        for path, own in trainer.framework.norms(trainer.half.side).items():
            name = trainer.framework.statistics(trainer.half.side, path)[0]
            labels = [label for label in paths[0][0] if name in _parts(layout, label, number)]
            if own is None or not labels:
                continue
            moved = [each[1][labels[0]] - each[0][labels[0]] for each in paths]
            share = _share(own, moved[1 - number], moved[number])
            if share is not None:
                yield _share_of(trainer, path, own, share, other)
        if trainer.framework.norms(trainer.half.side):  # one side is enough
            return


def _parts(layout: Layout, label: str, number: int) -> list[str]:
    return [label] if number == layout.target else layout.map.sources_of(label)


def _share(own: float, others: Any, moved: Any) -> float | None:
    """Return the share that would move statistics as the other side's; None if no share would."""
    at = np.argmax(np.abs(moved))
    if not np.abs(moved).size or moved.reshape(-1)[at] == 0:
        return None
    ratio = float(others.reshape(-1)[at] / moved.reshape(-1)[at])
    if not np.isfinite(ratio) or np.max(np.abs(others - ratio * moved)) > 1e-6 * np.max(np.abs(others)):
        return None
    share = round(own * ratio, ROUND)
    return None if share == round(own, ROUND) else share


def _share_of(trainer: Trainer, path: str, own: float, share: float, other: Trainer) -> Convention:
    keras = trainer.half.side.framework == "tensorflow"
    values = [round(1 - one if keras else one, ROUND) for one in (own, share)]
    said = f"momentum of `{path}` {trainer.half.name} is {values[0]:g}, that {other.half.name} amounts to {values[1]:g}"
    if keras and other.half.side.framework == "pytorch":
        said += " (in Keras it is the share that stays, in PyTorch the one that comes)"
    side = trainer.half.side
    return Convention("momentum", said, context=lambda: trainer.framework.taking(side, path, share))
