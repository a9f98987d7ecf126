"""Text without labels in the language of the other made data, to pretrain on.

    unlabelled("en")  ->  "The soup was fresh and delectable.\\nEdith Thornley lives in New Kirkton.\\n..."

One sentence a line, in random order: of ten about four from the training side of `translation.bilingual`,
three of the kind of `opinions.sentiment`, three of the kind of `names.entities`.  Nothing of it is in a dev
or test split.

What the labelled training sentences lack and the test splits have is here: new adjectives beside known ones
of the same side ("fresh and delectable"; 又新鲜又可口), new nouns, given names, stems and cities where known ones
stand.  Who has read it can guess a new word by its company.  The new kinds of sentence stay unseen.
"""
from tinyllm.data.made import names, opinions
from tinyllm.data.made.splits import LANGUAGES, checked, collect, generator, pick, until
from tinyllm.data.made.translation import pair


def unlabelled(language, seed=0, count=8000):
    """Text of `count` different lines, in "en" or "zh".

    Raises ValueError for another language, and for more lines than there are.
    """
    rng = generator(seed, "train")
    checked("unlabelled", "language", language, LANGUAGES)
    kinds = (_translated,) * 4 + (_opinion, _company, _company) + (_name,) * 3
    lines = collect("unlabelled", count, lambda: pick(rng, kinds)(rng, language))
    return "\n".join(lines) + "\n"


def _translated(rng, language):
    return pair(rng, "train")[LANGUAGES.index(language)]


def _opinion(rng, language):
    label = pick(rng, opinions.LABELS)
    return until(lambda: opinions.opinion(rng, "train", language, label, "train")).text


def _company(rng, language):
    """Known and new adjectives of one side together, of a known or a new noun."""
    tables, side = opinions.TABLES[language], pick(rng, ("good", "bad"))
    template = pick(rng, tables.COMPANY["any"] + tables.COMPANY[side])
    return opinions.Writer(rng, tables, side, "mixed").fill(template)


def _name(rng, language):
    tables = names.TABLES[language]

    def one():
        found = names.sentence(rng, tables, tables.TEMPLATES, "train", new=True)
        return tables.text(found.tokens) if names.for_plain_text(found) else None

    return until(one)
