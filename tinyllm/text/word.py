"""Words: each word, number, punctuation mark, CJK character and line break is a token.

    "We can't 学习, sir.\\n"   ->   "We" " can't" " 学" "习" "," " sir" "." "\\n"

A token carries the one space before it, so the tokens of a text put together are the text again. An
apostrophe between letters belongs to the word; a second space, a tab, a line break are tokens of their
own. A word at the start of a line and the same word after a space are two tokens, as in byte-level BPE.
The vocabulary holds the most frequent tokens of the training text; every other one is UNK, with its space.

split_words gives the same words without their space and nothing else, for tasks that label words.
"""
from collections import Counter
from itertools import chain

import numpy as np
import regex

from tinyllm.text.vocabulary import (
    UNK, PieceTokenizer, checked_text, checked_texts, checked_tokens, most_frequent, pieces)

CJK = r"\p{Han}\p{Hiragana}\p{Katakana}"  # scripts that write no spaces between words
WORD = rf"[^\W{CJK}]+"
PATTERN = regex.compile(rf" ?(?:{WORD}(?:['’]{WORD})*|[{CJK}]|[^\w\s])|\s")


class WordTokenizer(PieceTokenizer):
    """One id for each of the most frequent words of the training text."""

    type = "word"
    pieces_are = "words"
    split = PATTERN.findall

    @classmethod
    def train(cls, texts, vocab_size=None):
        """The tokenizer of a text or of several.

        vocab_size  special tokens included; None for every word, else the most frequent ones

        Raises ValueError for no text, for a lone surrogate and for a vocabulary larger than the text
        supports.
        """
        counts = Counter()
        for text in checked_texts(texts):
            for words in pieces(text, PATTERN):
                counts.update(words)
        return cls(most_frequent(counts, vocab_size, cls.pieces_are))

    def encode(self, text):
        """ids int32, one a word; UNK for a word that is not in the vocabulary."""
        id_of = self._id_of.get
        ids = [np.array([id_of(word, UNK) for word in words], np.int32)
               for words in pieces(checked_text("encode", text, surrogates=True), PATTERN)]
        return np.concatenate([np.empty(0, np.int32), *ids])

    def encode_tokens(self, tokens):
        """ids int32 of words without their space: each with or without, as training saw it more often; else UNK."""
        of = self._id_of
        ids = [min((of[word] for word in (token, f" {token}") if word in of), default=UNK)  # frequent words come first
               for token in checked_tokens("encode_tokens", tokens)]
        return np.array(ids, np.int32)

    def unknown(self, text):
        """The distinct words of text that encode to UNK, with their space, in order of appearance."""
        words = chain.from_iterable(pieces(checked_text("unknown", text, surrogates=True), PATTERN))
        return [word for word in dict.fromkeys(words) if word not in self._id_of]


def split_words(text):
    """The words of text as a list of str: as WordTokenizer splits, but no token has or is white space."""
    words = chain.from_iterable(pieces(checked_text("split_words", text, surrogates=True), PATTERN))
    return [word.removeprefix(" ") for word in words if not word.isspace()]
