"""Characters: every code point of the training text is a token.

    "abba", most frequent first, ties in code point order:    a -> 4, b -> 5

Nothing is lost and nothing is learned: decode(encode(s)) == s if every character of s was in the training
text. A character that was not becomes UNK; unknown(s) names those.
"""
import numpy as np

from tinyllm.text.vocabulary import (
    PIECE, SPECIAL_TOKENS, UNK, PieceTokenizer, checked_text, checked_texts, most_frequent)

CODE_POINTS = 0x110000


class CharTokenizer(PieceTokenizer):
    """One id for each distinct character of the training text."""

    type = "char"
    pieces_are = "characters"
    split = staticmethod(list)

    def __init__(self, tokens):
        super().__init__(tokens)
        self._id_of_point = np.full(CODE_POINTS, UNK, np.int32)
        self._id_of_point[[ord(c) for c in self.tokens]] = np.arange(len(SPECIAL_TOKENS), self.vocab_size)

    @classmethod
    def train(cls, texts, vocab_size=None):
        """The tokenizer of a text or of several.

        vocab_size  special tokens included; None for every character, else the most frequent ones

        Raises ValueError for no text, for a lone surrogate and for a vocabulary larger than the text
        supports.
        """
        points = _points("".join(checked_texts(texts)))
        counts = np.zeros(CODE_POINTS, np.int64)
        for start in range(0, len(points), PIECE):  # in pieces, because bincount copies to int64
            counts += np.bincount(points[start:start + PIECE], minlength=CODE_POINTS)
        counts = {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}
        return cls(most_frequent(counts, vocab_size, cls.pieces_are))

    def encode(self, text):
        """ids int32, one a character; UNK for a character that training did not see."""
        return self._id_of_point[_points(checked_text("encode", text, surrogates=True))]

    def unknown(self, text):
        """The distinct characters of text that encode to UNK, in order of appearance."""
        text = checked_text("unknown", text, surrogates=True)
        return [character for character in dict.fromkeys(text) if character not in self._id_of]


def _points(text):
    """The code points of text, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
