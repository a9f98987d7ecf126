"""Tokens as they come: what labels are given to, cut by split_words or by somebody else's tokenizer.

    ["We", "ca", "n't", "go", "."]      five tokens, whatever text they were cut from

A token is any string without a space, a tab or a line break, which are what separates tokens in files; the
spaces between tokens are not kept. The vocabulary holds the most frequent tokens of the training sequences;
every other one is UNK.
"""
import operator
from collections import Counter
from itertools import chain

from tinyllm.checked_json import brief
from tinyllm.text.vocabulary import (
    PieceDecoder, PieceTokenizer, checked_ids, checked_tokens, lone_surrogate, most_frequent)
from tinyllm.text.word import split_words

SEPARATORS = " \t\n\r"


class TokenVocabulary(PieceTokenizer):
    """One id for each of the most frequent tokens.  Where tokens are taken, so is a text, which is split."""

    type = "token"
    pieces_are = "strings without spaces"
    split = staticmethod(split_words)

    @classmethod
    def train(cls, sequences, min_count=1, vocab_size=None):
        """The vocabulary of several sequences of tokens.

        min_count   how often a token must occur to be in it
        vocab_size  special tokens included; None for every such token, else the most frequent ones

        Raises ValueError for no token, for a string that is none and for a vocabulary larger than there are
        tokens; TypeError for what is no str.
        """
        least = checked_whole("min_count", min_count)
        sequences = [sequences] if isinstance(sequences, str) else sequences
        counts = Counter(chain.from_iterable(checked_sequences(map(_tokens, sequences))))
        for token in counts:
            if not is_token(token):
                raise ValueError("train: tokens must be strings without spaces, tabs, line breaks and lone "
                                 f"surrogates, got {brief(token)}")
        counts = {token: count for token, count in counts.items() if count >= least}
        return cls(most_frequent(counts, vocab_size, "tokens"))

    @classmethod
    def is_piece(cls, token):
        """Whether a string can be a token, though split_words may cut it further."""
        return is_token(token)

    def encode(self, tokens):
        """ids int32, one a token; UNK for a token that is not in the vocabulary."""
        return self.encode_tokens(_tokens(tokens))

    def unknown(self, tokens):
        """The distinct tokens that encode to UNK, in order of appearance."""
        tokens = checked_tokens("unknown", _tokens(tokens))
        return [token for token in dict.fromkeys(tokens) if token not in self._id_of]

    def decode(self, ids):
        """The tokens of ids (integers, one dimension) with single spaces between them; no special tokens."""
        texts = [self._text_of[i] for i in checked_ids(ids, self.vocab_size)]
        return " ".join(filter(None, texts))

    def decoder(self):
        """An object with feed(id) -> str and finish() -> str, for tokens that appear one by one."""
        return TokenDecoder(self._text_of)


class TokenDecoder(PieceDecoder):
    """Text token by token, a space before each but the first."""

    space = ""

    def feed(self, id):
        """The space and the token of one id; nothing for a special token."""
        token = super().feed(id)
        if not token:
            return ""
        space, self.space = self.space, " "
        return space + token


def is_token(token):
    """Whether a string can be a token: not empty, no separator in it, nothing that a file cannot hold."""
    return token != "" and not any(c in token for c in SEPARATORS) and lone_surrogate(token) < 0


def checked_sequences(sequences):
    """The training sequences as a list of lists of str; ValueError where there is no token at all."""
    sequences = [checked_tokens("train", tokens) for tokens in sequences]
    if not any(sequences):
        raise ValueError("train: sequences must have at least one token, got none")
    return sequences


def checked_whole(name, value):
    """value as an int from 1, or ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"train: {name} must be a whole number from 1, got {value!r}")
    return number


def _tokens(tokens):
    """The tokens of a text; what is none stays as it is."""
    return split_words(tokens) if isinstance(tokens, str) else tokens
