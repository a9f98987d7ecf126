"""Sentiment in three classes, English and Chinese: it depends on what is denied and which clause weighs more.

    sentiment("train", "en")  ->  [Opinion("negative", "The soup was tasty, but the waiter was rude."), ...]

- A denial turns an opinion round: not bad at all is positive, 不好吃 is negative.  不错 and "not only tasty but
  also fresh" deny nothing.
- Of two clauses the one that the speaker insists on decides: the one after but, the one without although.
  The same words the other way round have the other label.
- Neutral are facts, and questions or reports that only mention an opinion: "Somebody asked whether the soup
  was tasty."

Each label is a third of every split.  Dev is made like train, from other combinations of noun and adjective
(`splits.part` decides).  Test has three parts in equal shares:

- templates: known words, in combinations that train does not have, in kinds of sentence that it does not
  have: a denial inside a contrast, "nobody would call the soup bland", 我以为汤会很淡，但是并不淡;
- words: the templates of train, but every noun and every adjective is new;
- both: new words in new templates.

Remembering does not help, because most opinions hold a word of the other side that is denied or outweighed:
a bag of words recognises what is neutral and guesses the rest, two thirds right in all, and the most similar
training sentence says no more.  About half of the new adjectives can be told from their pieces, which train
has in other words: un-help-ful, taste-less, 难-听, 吵-闹.  The others (superb, 乏味) mean nothing to a model that
has seen train alone; they are in `plain.unlabelled`, where "and" joins words of one side.

Of distinct sentences there are 7 million in English and 9 million in Chinese for train and dev, 19 and 25
million for test; of these some 3,000 in train and dev and 5,000 in test are neutral, so that labels stay
balanced up to about 5,000 sentences.
"""
import re
from typing import NamedTuple

from tinyllm.data.made import opinions_english, opinions_chinese
from tinyllm.data.made.splits import LANGUAGES, SPLITS, checked, collect, generator, part, pick, until

LABELS = ("positive", "negative", "neutral")
PARTS = ("templates", "words", "both")
SIZES = {"train": 1500, "dev": 300, "test": 450}
TABLES = {"en": opinions_english, "zh": opinions_chinese}
OTHER = {"good": "bad", "bad": "good"}


class Opinion(NamedTuple):
    """A sentence and what its writer thinks: positive, negative or neutral."""

    label: str
    text: str


def sentiment(split, language, seed=0, count=None, test_part=None):
    """Labelled sentences of one split, all different, in random order.

    split      "train", "dev" or "test"
    language   "en" or "zh"
    count      how many; None for 1,500, 300 and 450
    test_part  of test only "templates", "words" or "both", as the module says; None for all three

    Raises ValueError for an unknown split, language or part, and for more sentences than there are.
    """
    rng = generator(seed, checked("sentiment", "split", split, SPLITS))
    checked("sentiment", "language", language, LANGUAGES)
    parts = PARTS if test_part is None else (checked("sentiment", "test_part", test_part, PARTS),)

    def draw():
        kind, label = pick(rng, parts) if split == "test" else "train", pick(rng, LABELS)
        return until(lambda: opinion(rng, split, language, label, kind))

    return collect("sentiment", SIZES[split] if count is None else count, draw)


def opinion(rng, split, language, label, kind):
    """One Opinion, or None where its words belong to another split; kind: "train" or one of PARTS."""
    tables = TABLES[language]
    words = "new" if kind in ("words", "both") else "known"
    new_templates = kind in ("templates", "both")
    if label == "neutral" and rng.random() < 0.5:
        meaning, text = fact(rng, tables, words, new_templates)
    else:
        side = pick(rng, ("good", "bad")) if label == "neutral" else "good" if label == "positive" else "bad"
        writer = Writer(rng, tables, side, words)
        templates = tables.NEW_TEMPLATES if new_templates else tables.TEMPLATES
        text = writer.fill(pick(rng, templates["neutral" if label == "neutral" else "opinion"]))
        meaning = sorted(writer.said)
    if words == "known" and part("sentiment", language, meaning) != split:
        return None
    return Opinion(label, text)


def fact(rng, tables, words, new_templates):
    """A sentence about a thing that holds no opinion, which is its own meaning: (meaning, sentence)."""
    group = pick(rng, [group for group in tables.GROUPS if words == "new" or group.nouns])
    noun = pick(rng, group.new_nouns if words == "new" else group.nouns)
    template = pick(rng, group.new_facts if new_templates else group.facts)
    details = {name: pick(rng, values) for name, values in tables.DETAILS.items()}
    text = capital(template.format(x=noun, **details))
    return text, text


def capital(text):
    """The text with a capital letter at its beginning."""
    return text[0].upper() + text[1:]


class Writer:
    """Fills a template with clauses and words of one scene; said: the pairs of noun and adjective.

    words  "known" for what train has, "new" for what it lacks, "mixed" for both

    Slots of a sentence, each about another noun:

        P  a plain clause of this side     N  a denied one ("not bad")     V  likes and dislikes
        p  a plain clause of the other     n  a denied one

    Slots of a clause: x noun; A word of its side, Q the same as a Chinese question (好不好吃), B another; Z a
    word of the other side, S one too strong to be denied; `is`, `it` and `this` as the noun has it.
    """

    def __init__(self, rng, tables, side, words):
        self.rng, self.tables, self.side, self.said = rng, tables, side, []
        self.sources = {"known": ("",), "new": ("new_",), "mixed": ("", "new_")}[words]
        scenes = [scene for scene in tables.SCENES
                  if words != "known" or all(group.nouns for group in scene)]  # of music all words are new
        nouns = [(group, noun) for group in pick(rng, scenes)
                 for noun in self.words(group._asdict(), "nouns")]
        self.nouns = [nouns[number] for number in rng.permutation(len(nouns))]

    def words(self, table, name):
        """The known words of a table, the new ones, or both."""
        return [word for source in self.sources for word in table.get(source + name, ())]

    def fill(self, template):
        """The sentence."""
        if "{x}" in template:
            return capital(self.clause(template, self.side))
        return capital(re.sub(r"{(\w)}", self.clause_for, template))

    def clause_for(self, slot):
        """The clause that stands for a slot of a sentence."""
        side = self.side if slot[1].isupper() else OTHER[self.side]
        clauses = self.tables.CLAUSES[{"P": "plain", "N": "denied", "V": "liking"}[slot[1].upper()]]
        return self.clause(pick(self.rng, clauses["any"] + clauses[side]), side, liking=slot[1] == "V")

    def clause(self, template, side, liking=False):
        """A clause about the next noun; liking: about the next that one likes."""
        group, noun = next(self.nouns.pop(number) for number, (group, _) in enumerate(self.nouns)
                           if group.liked or not liking)
        slots = {"x": noun, "is": group.be, "it": group.it, "this": group.this}
        said = []
        for slot, name in zip("AQBZS", (side, side, side, OTHER[side], f"strong_{side}")):
            if f"{{{slot}}}" in template:
                words = self.words(group._asdict(), name)
                if slot != "A" or "{B}" not in template:  # good and nice, side by side, say the same
                    words += self.words(self.tables.ANYTHING, name)
                said.append(pick(self.rng, [word for word in words if word not in said]))
                slots[slot] = f"{said[-1][0]}不{said[-1]}" if slot == "Q" else said[-1]
        self.said += [(noun, word) for word in said or [template]]
        return template.format(**slots)
