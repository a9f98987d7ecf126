"""The made data as the files that `tinyllm pretrain` and `tinyllm finetune` read.

    translation.train.tsv     English TAB Chinese, one pair a line
    sentiment.en.train.tsv    label TAB text, one sentence a line
    entities.en.train.tsv     token TAB tag, a blank line after each sentence
    text.en.txt               plain text

each of the first three also as dev and test, all but the first also as zh.
"""
from pathlib import Path

from tinyllm.data.made.names import entities
from tinyllm.data.made.opinions import sentiment
from tinyllm.data.made.plain import unlabelled
from tinyllm.data.made.splits import LANGUAGES, SPLITS
from tinyllm.data.made.translation import bilingual


def write(folder, seed=0):
    """Write every split of every language into a folder, which is made where it is missing: the paths.

    Raises ValueError for a folder that holds something, OSError for one that cannot be made.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"{folder}: is there already and not empty; choose another name")
    texts = {}
    for split in SPLITS:
        texts[f"translation.{split}.tsv"] = _lines(bilingual(split, seed))
        for language in LANGUAGES:
            texts[f"sentiment.{language}.{split}.tsv"] = _lines(sentiment(split, language, seed))
            texts[f"entities.{language}.{split}.tsv"] = "".join(
                _lines(zip(*sentence)) + "\n" for sentence in entities(split, language, seed))
    for language in LANGUAGES:
        texts[f"text.{language}.txt"] = unlabelled(language, seed)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def _lines(rows):
    return "".join("\t".join(row) + "\n" for row in rows)
