"""A demonstration: all that the package does, on data of its own, in one folder.

    language                what follows in Python's documentation, character by character
    translation             English -> Chinese
    words                   what follows in sentences without labels, word by word
    sentiment-from-nothing  positive, negative or neutral, learnt from a few labels alone
    sentiment               the same model and labels, started from words
    entities                persons, places and times, started from words

Each is a run folder.  data/ has the files that they learn from and are scored on.
"""
import importlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyllm import tasks
from tinyllm.data import made
from tinyllm.data.builtin import documentation
from tinyllm.data.made.splits import SPLITS
from tinyllm.metrics.ngram import ngram_score
from tinyllm.tasks import lm, supervised
from tinyllm.tasks.settings import FINETUNE
from tinyllm.training.progress import Progress
from tinyllm.training.run_folder import RunFolder

LABELS = 400  # the few: so many of the labelled sentences


class Chapter(NamedTuple):
    """What is learnt, and how.

    share     of all minutes
    files     use (train, dev, test; files of a language model) -> name in data/
    settings  that differ from those of a longer training
    start     the chapter whose weights it goes on with
    """

    task: str
    share: float
    files: dict
    settings: dict
    start: str = None


LANGUAGE = {"hidden_dim": 256, "num_heads": 4, "dropout": 0.1, "lr": 5e-3}
TRANSLATION = {"vocab_size": 1500, "embed_dim": 128, "hidden_dim": 128, "num_heads": 4, "dropout": 0.1,
               "batch_size": 16, "label_smoothing": 0.0}
# tied and in short steps: one table learns from what precedes a word and from what follows it
WORDS = {"tokenizer": "word", "embed_dim": 64, "hidden_dim": 128, "num_heads": 4, "num_attention_layers": 0,
         "tie_weights": True, "dropout": 0.1, "batch_size": 16, "seq_len": 32, "valid_fraction": 0.02}
OPINIONS = {"embed_dim": 64, "hidden_dim": 128, "num_heads": 4, "num_attention_layers": 0, "features": False,
            "dropout": 0.2}
NAMES = {"embed_dim": 64, "hidden_dim": 128, "num_heads": 4, "num_attention_layers": 0}

FEW = {"sentiment.en": "\n", "entities.en": "\n\n"}  # what stands between two examples
PAIRS = {part: f"translation.{part}.tsv" for part in SPLITS}
SENTIMENT = {"train": "sentiment.en.few.tsv", "test": "sentiment.en.test.tsv"}
CHAPTERS = {
    "language": Chapter("lm", 0.40, {}, LANGUAGE),
    "translation": Chapter("seq2seq", 0.28, PAIRS, TRANSLATION),
    "words": Chapter("lm", 0.08, {"files": "text.en.txt"}, WORDS),
    "sentiment-from-nothing": Chapter("classify", 0.03, SENTIMENT, OPINIONS),
    "sentiment": Chapter("classify", 0.03, SENTIMENT, OPINIONS, start="words"),
    "entities": Chapter("tag", 0.04, {"train": "entities.en.few.tsv", "test": "entities.en.test.tsv"}, NAMES,
                        start="words"),
}


class Story:
    """The folder of a demonstration, and what happens in it.

    folder   a new or an empty one, whose parent exists
    minutes  of learning and scoring, in all

    Raises ValueError for a folder that holds something, OSError for one that cannot be made.
    """

    def __init__(self, folder, minutes=3.0, seed=0):
        self.folder, self.minutes, self.seed = Path(folder), minutes, seed
        self.folder.mkdir(exist_ok=True)
        if any(self.folder.iterdir()):
            raise ValueError(f"{folder}: is there already and not empty; choose another name")
        made.write(self.data, seed)
        for name, between in FEW.items():
            examples = (self.data / f"{name}.train.tsv").read_text(encoding="utf-8").split(between)
            few = between.join(examples[:LABELS]) + "\n"
            (self.data / f"{name}.few.tsv").write_text(few, encoding="utf-8", newline="\n")

    @property
    def data(self):
        """The folder of the files."""
        return self.folder / "data"

    def run(self, name):
        """The run folder of a chapter."""
        return self.folder / name

    def seconds(self, name):
        """How long a chapter learns."""
        return 60 * self.minutes * CHAPTERS[name].share

    def settings(self, name):
        """How a chapter is trained, as pretrain and finetune take it."""
        chapter = CHAPTERS[name]
        files = {use: [self.data / file] for use, file in chapter.files.items() if use != "test"}
        start = {"from_run": self.run(chapter.start)} if chapter.start else {}
        minutes = self.minutes * chapter.share
        return {**chapter.settings, **files, **start, "minutes": minutes, "seed": self.seed}

    def learn(self, name):
        """Train the model of a chapter: the result of the training."""
        chapter, settings = CHAPTERS[name], self.settings(name)
        if chapter.task == "lm":
            return lm.pretrain(self.run(name), settings, progress=_Brief())
        unit = importlib.import_module(tasks.MODULES[chapter.task]).UNIT
        return supervised.finetune(chapter.task, self.run(name), settings, progress=_Brief(unit=unit))

    def learnt(self, name):
        """The model of a chapter, once it is trained."""
        return tasks.load(self.run(name))

    def untrained(self, name):
        """A model as the chapter's is before it learns, to be asked and scored like the trained one."""
        module, settings = self._supervised(name)
        records, rng = module.read(settings["train"], settings), np.random.default_rng(self.seed)
        tokenizer, about = module.make_tokenizer(records, settings, None), module.describe(records)
        task = module.Task(tokenizer, records, None, settings, about, rng)
        task.start(module.make_model(module.model_config(settings, tokenizer, about), rng))
        return task.trained

    def examples(self, name, part="test"):
        """The records of a file of the chapter."""
        module, settings = self._supervised(name)
        return module.read([self.data / CHAPTERS[name].files[part]], settings)

    def _supervised(self, name):
        """The module of a chapter that learns from labels, and all its settings."""
        task = CHAPTERS[name].task
        return importlib.import_module(tasks.MODULES[task]), {**FINETUNE[task], **self.settings(name)}

    def losses(self, name, most=6):
        """(step, nats per character) of a language model on its way: at most so many, the last among them."""
        log = RunFolder.open(self.run(name)).read_log()
        log = [(record["step"], record["nats_per_char"]) for record in log]
        return [log[i] for i in np.unique(np.geomspace(1, len(log), most).round().astype(int) - 1)]


def bar():
    """What counting four characters at a time reaches on the built-in text; how long its two parts are."""
    train, held_out = documentation()
    return ngram_score(train, held_out).nats_per_char, len(train), len(held_out)


class _Brief(Progress):
    """Progress without a line for each evaluation: the story says what came of it."""

    def evaluated(self, record, best, decides):
        self.valid_loss = record.get("valid_loss")
