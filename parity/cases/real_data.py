"""Load two real data sets of sequences that differ in length, shipped with the package.

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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from parity.arrays import FLOATS, Array, Lengths
from parity.cases.batch import Batch
from parity.cases.lengths import check_rng
from parity.errors import choose, whole_number

OPENING = 8  # words of a speech: the longest has 99, and the reference runs them one by one


@dataclass(frozen=True)
class DataSet:
    """Sequences that differ in length, each of one speaker.

    Attributes:
        input: ``"x"`` or ``"tokens"``, the name of the sequences in a case.
        sequences: a ``(length, 12)`` float32 array for each utterance, or ``(length,)`` word ids for each speech.
        speakers: ``(N,)`` ids.
        sizes: the sizes of the axes that the data set determines.
        vocabulary: the words that tokens index; word 0 is the padding.
    """

    input: str
    sequences: tuple[Array, ...]
    speakers: Array
    sizes: dict[str, int]
    vocabulary: tuple[str, ...] = ()


@cache
def utterances() -> DataSet:
    """Return the Japanese Vowels data set.

    >>> len(utterances().sequences), utterances().sequences[0].shape
    (640, (20, 12))
    """
    with (
        files("parity.cases").joinpath("data/japanese_vowels.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        ends = np.cumsum(archive["lengths"].astype(np.int64))
        features = tuple(np.split(archive["features"], ends[:-1]))
        return DataSet("x", features, archive["labels"].astype(np.int64), {"D": 12, "C": 9})


@cache
def speeches() -> DataSet:
    """Return the speeches of *Twelfth Night* 2.4, as lower-case words with the apostrophes inside them.

    >>> first = speeches().sequences[0]
    >>> [speeches().vocabulary[token] for token in first[:4]]
    ['give', 'me', 'some', 'music']
    """
    with files("parity.cases").joinpath("data/twelfth_night_2_4.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    texts = [re.findall(r"[a-z]+(?:'[a-z]+)*", row["speech"].lower()) for row in rows]
    vocabulary = ("<pad>", *sorted({word for text in texts for word in text}))
    cast, speakers = np.unique([row["speaker"] for row in rows], return_inverse=True)
    ids = {word: index for index, word in enumerate(vocabulary)}
    tokens = tuple(np.array([ids[word] for word in text], np.int64) for text in texts)
    return DataSet("tokens", tokens, speakers, {"V": len(vocabulary), "C": len(cast)}, vocabulary)


DATA: dict[str, Callable[[], DataSet]] = {"utterances": utterances, "speeches": speeches}


def lengths(name: str) -> Lengths:
    """Return the lengths of all sequences of a data set.

    >>> int(lengths("speeches").max())
    99
    """
    data = DATA[choose("data", name, DATA)]()
    return np.array([len(sequence) for sequence in data.sequences])


@dataclass(frozen=True)
class RealBatch:
    """A batch of real sequences with their labels.

    Attributes:
        lengths: ``(B,)``; the last is 0 if there is an empty sequence.
        arrays: ``x`` (B, T, D) of utterances or ``tokens`` (B, T) of speeches, and three labels: ``speaker`` (B,),
            ``targets`` (B, T), which is the speaker at every step, and ``leads`` (B, 1), which is 1.0 for the speaker
            with the most sequences in the data set and 0.0 for all others.
        sizes: the sizes of the axes that the data set determines, B and T among them.
    """

    lengths: Lengths
    arrays: dict[str, Array]
    sizes: dict[str, int]


def sample_batch(
    name: str, rng: np.random.Generator, count: int, dtype: str, short: bool = False, empty: bool = True
) -> RealBatch:
    """Sample ``count`` different sequences of a data set, and add an empty one, if ``empty``.

    Without one, there are two steps of padding behind the longest, as where all batches are padded to one length.

    Speeches are cut to their first 8 words, because a batch of whole speeches would be mostly padding. ``short`` cuts
    the first sequence to one step, the next to two, and so on.

    Raises:
        InputError: no such data set, or fewer sequences in it.

    >>> sample_batch("speeches", np.random.default_rng(0), count=8, dtype="float32").lengths.shape
    (9,)
    """
    data = DATA[choose("data", name, DATA)]()
    check_rng(rng)
    whole_number("count", count, most=len(data.sequences))
    choose("dtype", dtype, FLOATS)
    rows = np.sort(rng.choice(len(data.sequences), count, replace=False))
    longest = OPENING if data.vocabulary else None
    sequences = []
    for stop, row in enumerate(rows, 1):
        sequence = data.sequences[row][:longest]
        sequences.append(sequence[:stop] if short else sequence)
    steps = None if empty else max(map(len, sequences), default=0) + 2
    batch = Batch.of([*sequences, *([data.sequences[0][:0]] if empty else [])], steps)
    values = batch.values if data.vocabulary else batch.values.astype(dtype)
    arrays = {data.input: values, **_labels(data.speakers[rows], batch, data.speakers, dtype)}
    return RealBatch(batch.lengths, arrays, {"B": len(values), "T": values.shape[1], **data.sizes})


def _labels(known: Array, batch: Batch, speakers: Array, dtype: str) -> dict[str, Array]:
    no_speaker = 0  # the label of the empty sequence and of padding
    speaker = np.pad(known, (0, len(batch.lengths) - len(known)), constant_values=no_speaker)
    leads = (speaker == np.bincount(speakers).argmax()) & (batch.lengths > 0)
    targets = np.where(batch.mask, speaker[:, None], no_speaker)
    return {"speaker": speaker, "targets": targets, "leads": leads[:, None].astype(dtype)}
