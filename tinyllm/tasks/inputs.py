"""What an encoder reads: the ids of a text and the features of its tokens, one text or many padded ones."""
from typing import NamedTuple

import numpy as np

from tinyllm.data.batches import pad
from tinyllm.tasks.settings import TRUNCATE
from tinyllm.text import PAD, UNK
from tinyllm.text.featured import FeaturedTokenizer
from tinyllm.text.features import PAD_FEATURE, pad_features
from tinyllm.text.sentences import SentenceTokenizer, positions

EVALUATED = 64  # texts at a time where nothing is learnt


class Input(NamedTuple):
    """ids (T,) and features (T, K), None where the tokenizer gives none."""

    ids: np.ndarray
    features: np.ndarray | None


class Inputs:
    """Texts as a tokenizer reads them, cut to max_len tokens: it counts how many were longer.

    truncate  what of a longer one goes, its "end" or its "start"; of sentences, the story's: the question stays
    option    what one types to have more

    Raises ValueError for another truncate.
    """

    def __init__(self, tokenizer, max_len, truncate="end", option="--max-len"):
        if truncate not in TRUNCATE:
            raise ValueError(f"Inputs: truncate must be one of {', '.join(TRUNCATE)}, got {truncate!r}")
        self.tokenizer, self.max_len, self.option, self._read, self._cut = tokenizer, max_len, option, 0, 0
        self.truncate = truncate

    def of_text(self, text):
        """The Input of one text."""
        if isinstance(self.tokenizer, FeaturedTokenizer):
            return self.of_tokens(self.tokenizer.split(text))
        if isinstance(self.tokenizer, SentenceTokenizer):
            ids, features, question = self.tokenizer.encode_sentences(text)
            return self._within(ids, features, stays=question)
        return self._within(self.tokenizer.encode(text), None)

    def of_tokens(self, tokens):
        """The Input of one text that is already split."""
        return self._within(*self.tokenizer.encode_tokens(tokens))

    def names(self, text, read):
        """What stands at each position of a text, for a person; read is of_text(text)."""
        if isinstance(self.tokenizer, SentenceTokenizer):
            question, story = positions(text)
            names = [" ".join(words) for words in question + story]
            return [names[i] for i in self._kept(len(names), len(question))]
        return [self.tokenizer.decode([i]) for i in read.ids]

    def _within(self, ids, features, stays=0):
        """The Input of what is kept: of more than max_len positions the first `stays` and as many others as fit."""
        self._read += 1
        if len(ids) > self.max_len:
            self._cut += 1
            kept = self._kept(len(ids), stays)
            ids, features = ids[kept], None if features is None else features[kept]
        return Input(ids, features)

    def _kept(self, count, stays):
        """Which of so many positions are kept."""
        stays = min(stays, self.max_len)
        others = np.arange(stays, count)
        room = min(len(others), self.max_len - stays)
        return np.append(np.arange(stays), others[:room] if self.truncate == "end" else others[len(others) - room:])

    def what_was_cut(self, texts="texts"):
        """A sentence about texts that were too long since this was asked last, in a list, or an empty list.

        texts  what the sentence calls them
        """
        read, cut = self._read, self._cut
        self._read = self._cut = 0
        unit = "sentences" if isinstance(self.tokenizer, SentenceTokenizer) else "tokens"
        return [f"{cut} of {read} {texts} were cut to {self.max_len} {unit} ({self.option})"] if cut else []

    @staticmethod
    def slots(inputs):
        """How many features the token with most of them has room for."""
        return max(0 if each.features is None else each.features.shape[1] for each in inputs)

    @staticmethod
    def batch(inputs):
        """ids (B, T), valid (B, T), features (B, T, K) or None."""
        ids, valid = pad([each.ids for each in inputs], PAD)
        if inputs[0].features is None:
            return ids, valid, None
        return ids, valid, pad_features([each.features for each in inputs], *ids.shape)


def in_batches(lengths, size=EVALUATED):
    """Index arrays that together are all of them, texts of similar length side by side."""
    order = np.argsort(lengths, kind="stable")
    return [order[begin:begin + size] for begin in range(0, len(order), size)]


def one_line(text):
    """A text that came from a quoted field or out of a model, so that a line of input has a line of output."""
    return " ".join(text.replace("\t", " ").splitlines())


def drop_words(ids, valid, features, p, rng, naming=0):
    """ids and features with each real token unseen with probability p: it is UNK, and of its features the first
    `naming`, which name it, are empty: what the others and its neighbours say has to do.
    """
    if rng is None or not p:
        return ids, features
    dropped = valid & (rng.random(ids.shape) < p)
    if features is not None:
        features = features.copy()
        features[dropped, :naming] = PAD_FEATURE
    return np.where(dropped, UNK, ids).astype(ids.dtype), features
