"""English and Chinese, sentence for sentence: numbers, dates, clock times, prices and simple sentences.

    bilingual("train")  ->  [Pair("There are two books on the table.", "桌子上有两本书。"), ...]

No sentence has two translations, in either direction (a test goes through them), so the pairs serve both
directions and an exact match is a fair score.  There are 4,060,000 pairs: 1,000,000 numbers, 235,000 dates,
10,000 clock times, 113,000 prices, 2,700,000 sentences; `values.py` and `sentences.py` describe them.

Of every kind a tenth of the meanings, which `splits.part` picks, is kept for dev and a tenth for test.  The
numbers, days, times and prices of test are nowhere in train, nor are the combinations at the core of its
sentences.  What a memory of train finds nearest is therefore always wrong, by a digit or by a word, though
all but a word or two of test are in a train of the usual size.
"""
from typing import NamedTuple

from tinyllm.data.made import sentences, values
from tinyllm.data.made.splits import SPLITS, checked, collect, generator, part, pick, until

KINDS = (  # one in twenty each
    *(values.number,) * 3, *(values.date,) * 2, *(values.clock,) * 2, *(values.price,) * 2,
    *(sentences.action,) * 6,
    *(sentences.being_there,) * 2, sentences.quality, sentences.owning, sentences.profession)
SIZES = {"train": 4000, "dev": 300, "test": 500}


class Pair(NamedTuple):
    """The same in both languages."""

    english: str
    chinese: str


def bilingual(split, seed=0, count=None):
    """Pairs of one split, all different, in random order.

    split  "train", "dev" or "test"
    count  how many; None for 4,000, 300 and 500

    Raises ValueError for another split, and for more pairs than there are.
    """
    rng = generator(seed, checked("bilingual", "split", split, SPLITS))
    return collect("bilingual", SIZES[split] if count is None else count, lambda: pair(rng, split))


def pair(rng, split):
    """One Pair of a split."""
    kind = pick(rng, KINDS)

    def one():
        meaning, english, chinese = kind(rng)
        return Pair(english, chinese) if (part(*meaning) if meaning else "train") == split else None

    return until(one)
