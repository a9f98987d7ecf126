"""Persons, places and times in sentences, English and Chinese, with BIO tags: PER, LOC, TIM.

    entities("train", "en")  ->  [Tagged(("Anna", "Hartley", "left", "Norton", "yesterday", "."),
                                         ("B-PER", "I-PER", "O", "B-LOC", "B-TIM", "O")), ...]

English tokens are words and punctuation marks, Chinese tokens are characters.  A title is not part of a name,
a preposition not part of a time; New Ashford and 青山市东湖区 are one place.

A list of names is not enough.  Hart-ley is a person and Hart-ford a town; Florence, Victoria and Chester are
both, April and June are persons and months, May also begins a question; 周 is a surname and part of 上周, 马, 高,
白 and 张 are surnames and part of 马路, 高兴, 白菜 and 一张.  Some sentences hold no name at all.

Dev has the templates of train and names of its own.  Test has three parts in equal shares:

- words: the templates of train with other names: half of them of given names, surnames and stems that are
  new, the others of old pieces put together anew (`splits.part` decides on every name, day and year);
- templates: the names of train in other kinds of sentence;
- both.

Remembering the tag of each token brings an F1 of 0.8 in English and 0.5 in Chinese where the names are known,
0.4 where they are new.  What is to be learnt is the company of a name (moved from ... to ..., 住在), its shape
and its ending (-ley, -ford; 市, 路).

Train has 2,000 persons, 500 places and 1,100 times in English, 3,000, 250 and 1,000 in Chinese, which make
many millions of sentences.
"""
import re
from typing import NamedTuple

from tinyllm.data.made import names_chinese, names_english
from tinyllm.data.made.splits import LANGUAGES, SPLITS, checked, collect, generator, part, pick, until

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-TIM", "I-TIM")
PARTS = ("templates", "words", "both")
SIZES = {"train": 1500, "dev": 300, "test": 450}
TABLES = {"en": names_english, "zh": names_chinese}


class Tagged(NamedTuple):
    """A sentence as tokens, and the tag of each."""

    tokens: tuple
    tags: tuple


def entities(split, language, seed=0, count=None, test_part=None):
    """Tagged sentences of one split, all different, in random order.

    split      "train", "dev" or "test"
    language   "en" or "zh"
    count      how many; None for 1,500, 300 and 450
    test_part  of test only "templates", "words" or "both", as the module says; None for all three

    Raises ValueError for an unknown split, language or part, and for more sentences than there are.
    """
    rng = generator(seed, checked("entities", "split", split, SPLITS))
    tables = TABLES[checked("entities", "language", language, LANGUAGES)]
    parts = PARTS if test_part is None else (checked("entities", "test_part", test_part, PARTS),)

    def draw():
        kind = pick(rng, parts) if split == "test" else "train"
        templates = tables.NEW_TEMPLATES if kind in ("templates", "both") else tables.TEMPLATES
        new, names_of = kind in ("words", "both"), "train" if kind == "templates" else split

        def one():
            found = sentence(rng, tables, templates, names_of, new)
            return None if new and for_plain_text(found) else found

        return until(one)

    return collect("entities", SIZES[split] if count is None else count, draw)


def for_plain_text(found):
    """Whether a sentence of new pieces may stand in the unlabelled text, and therefore in no test split."""
    return part("sentence", found.tokens) == "train"


def sentence(rng, tables, templates, split, new=False):
    """One of the templates filled with names of a split; one sentence in eight is without names.

    Slots: P person, L place, T a time in the past (t not long ago, y a year or a month), F one in the future
    (f a near one); longer names are the words of the sentences without names.  new: half of the names are
    made of new pieces.
    """
    if rng.random() < 0.125:
        text = None
        while text is None or part("no names", text) != split:
            words = {name: pick(rng, words) for name, words in tables.WORDS.items()}
            text = pick(rng, templates["none"]).format(**words)
        pieces = [(text, "O")]
    else:
        pieces, seen = [], set()
        for text in re.split(r"({\w})", pick(rng, templates["names"])):
            if not text.startswith("{"):
                pieces.append((text, "O"))
                continue
            name = None
            while name is None or name in seen:  # nobody meets himself
                name = tables.SLOTS[text[1]](rng, split, new and rng.random() < 0.5)
            seen.add(name)
            pieces += name
    tokens, tags = [], []
    for text, kind in pieces:
        more = tables.tokens(text)
        tokens += more
        tags += ["O" if kind == "O" else f"{'I' if number else 'B'}-{kind}" for number in range(len(more))]
    tokens[0] = tokens[0][0].upper() + tokens[0][1:]
    return Tagged(tuple(tokens), tuple(tags))
