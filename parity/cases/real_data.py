"""Two real data sets of sequences that differ in length, shipped inside the package.

=============  ====================================================  =========  =======================================
name           what                                                  sequences  source and licence
=============  ====================================================  =========  =======================================
utterances     spoken Japanese vowels: 12 LPC cepstrum coefficients  640        UCI Machine Learning Repository,
               a frame, 7 to 29 frames, 9 speakers                              "Japanese Vowels" (Kudo, Toyama, Shimbo
                                                                                1999), CC BY 4.0
speeches       *Twelfth Night*, Act 2, Scene 4: 3 to 99 words a      40         Shakespeare, public domain
               speech, 4 speakers
=============  ====================================================  =========  =======================================
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from parity.arrays import FLOATS, Array, Lengths
from parity.cases.batch import Batch
from parity.cases.lengths import check_rng
from parity.errors import choose, of_kind, whole_number

PAD = "<pad>"


@dataclass(frozen=True)
class Utterances:
    """``features``: one ``(length, 12)`` float32 array an utterance; ``speakers``: ``(640,)`` ids from 0 to 8.

    The first ``train_count`` are the training set of the original publication.
    """

    features: tuple[Array, ...]
    speakers: Array
    train_count: int


@dataclass(frozen=True)
class Speeches:
    """``tokens``: one ``(length,)`` int64 array a speech; ids index ``vocabulary``, whose word 0 is the padding.

    ``speakers``: ``(40,)`` ids that index ``cast``.
    """

    tokens: tuple[Array, ...]
    speakers: Array
    vocabulary: tuple[str, ...]
    cast: tuple[str, ...]


@cache
def utterances() -> Utterances:
    """The Japanese Vowels data set.

    >>> len(utterances().features), utterances().features[0].shape
    (640, (20, 12))
    """
    with (
        files("parity.cases").joinpath("data/japanese_vowels.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        ends = np.cumsum(archive["lengths"].astype(np.int64))
        features = tuple(np.split(archive["features"], ends[:-1]))
        return Utterances(features, archive["labels"].astype(np.int64), int(archive["train_count"]))


def words(text: str) -> list[str]:
    """Lower-case words, apostrophes inside kept.

    >>> words("Who was it, Olivia's?")
    ['who', 'was', 'it', "olivia's"]
    """
    return re.findall(r"[a-z]+(?:'[a-z]+)*", of_kind("text", text, str, "text").lower())


@cache
def speeches() -> Speeches:
    """The speeches of *Twelfth Night* 2.4, as word ids.

    >>> first = speeches().tokens[0]
    >>> [speeches().vocabulary[token] for token in first[:4]]
    ['give', 'me', 'some', 'music']
    """
    with files("parity.cases").joinpath("data/twelfth_night_2_4.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    spoken = [words(row["speech"]) for row in rows]
    vocabulary = (PAD, *sorted({word for speech in spoken for word in speech}))
    cast = tuple(sorted({row["speaker"] for row in rows}))
    ids = {word: index for index, word in enumerate(vocabulary)}
    tokens = tuple(np.array([ids[word] for word in speech], np.int64) for speech in spoken)
    return Speeches(tokens, np.array([cast.index(row["speaker"]) for row in rows]), vocabulary, cast)


@dataclass(frozen=True)
class RealBatch:
    """A batch of real sequences with their labels, and the sizes of the axes it fixes.

    Attributes:
        lengths: ``(B,)``; the last is 0.
        arrays: ``x`` (B, T, D) of utterances or ``tokens`` (B, T) of speeches, and three labels to learn:
            ``speaker`` (B,) says whose sequence it is, ``targets`` (B, T) says so at every step, and ``leads`` (B, 1)
            is 1.0 for the speaker with the most sequences in the whole data set, 0.0 for all others.
        sizes: of the axes.
    """

    lengths: Lengths
    arrays: dict[str, Array]
    sizes: dict[str, int]


Stops = Sequence[int | None]  # where each sequence is cut off, if anywhere


def _utterances(rows: Array, stops: Stops, dtype: str) -> RealBatch:
    whole = utterances()
    spoken = [whole.features[row][:stop].astype(dtype) for row, stop in zip(rows, stops, strict=True)]
    x = Batch.of([*spoken, np.zeros((0, 12), dtype)])
    arrays = {"x": x.values, **_labels(whole.speakers, rows, x, dtype)}
    return RealBatch(x.lengths, arrays, {"B": len(x.values), "T": x.values.shape[1], "D": 12, "C": 9})


OPENING = 8  # words of a speech: the longest has 99, and the reference takes one after another


def _speeches(rows: Array, stops: Stops, dtype: str) -> RealBatch:
    """Their opening words only; a batch of whole speeches would be padding for the most part."""
    whole = speeches()
    spoken = [whole.tokens[row][:OPENING][:stop] for row, stop in zip(rows, stops, strict=True)]
    tokens = Batch.of([*spoken, np.zeros(0, np.int64)])
    arrays = {"tokens": tokens.values, **_labels(whole.speakers, rows, tokens, dtype)}
    sizes = {"B": len(tokens.values), "T": tokens.values.shape[1], "V": len(whole.vocabulary), "C": len(whole.cast)}
    return RealBatch(tokens.lengths, arrays, sizes)


def _labels(speakers: Array, rows: Array, batch: Batch, dtype: str) -> dict[str, Array]:
    nobody = 0  # says the empty sequence
    speaker = np.append(speakers[rows], nobody)
    leads = (speaker == np.bincount(speakers).argmax()) & (batch.lengths > 0)
    targets = np.where(batch.mask, speaker[:, None], nobody)
    return {"speaker": speaker, "targets": targets, "leads": leads[:, None].astype(dtype)}


DATA: dict[str, tuple[int, Callable[[Array, Stops, str], RealBatch]]] = {
    "utterances": (640, _utterances),
    "speeches": (40, _speeches),
}


def lengths(name: str) -> Lengths:
    """The lengths of all sequences of a data set.

    >>> int(lengths("speeches").max())
    99
    """
    choose("data", name, DATA)
    sequences = utterances().features if name == "utterances" else speeches().tokens
    return np.array([len(sequence) for sequence in sequences])


def sample_batch(name: str, rng: np.random.Generator, count: int, dtype: str, short: bool = False) -> RealBatch:
    """``count`` different sequences of a data set and an empty one, padded to the longest of them.

    Of a speech, the first 8 words. ``short`` cuts the first sequence off after one step, the next after two, and so on.

    Raises:
        InputError: no such data set, or not so many sequences in it.

    >>> sample_batch("speeches", np.random.default_rng(0), count=8, dtype="float32").lengths.shape
    (9,)
    """
    size, pad = DATA[choose("data", name, DATA)]
    check_rng(rng)
    whole_number("count", count, most=size)
    choose("dtype", dtype, FLOATS)
    stops = range(1, count + 1) if short else [None] * count
    return pad(np.sort(rng.choice(size, count, replace=False)), stops, dtype)
