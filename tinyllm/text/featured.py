"""A tokenizer and what its tokens are besides themselves: the two halves of what a supervised model reads.

    "Unhappily !"   ->   tokens "Unhappily", "!"   ->   ids (T,)   and   features (T, K)

One file holds both, so that a run folder has one tokenizer.
"""
from tinyllm.checked_json import brief
from tinyllm.text.features import TokenFeatures
from tinyllm.text.vocabulary import Tokenizer, file_type


class FeaturedTokenizer(Tokenizer):
    """tokenizer: one that splits a text into tokens (char, word, token); features: TokenFeatures of these, or None."""

    type = "featured"

    def __init__(self, tokenizer, features):
        self.tokenizer, self.features = tokenizer, features

    @property
    def vocab_size(self):
        return self.tokenizer.vocab_size

    @property
    def num_features(self):
        return 0 if self.features is None else self.features.num_features

    def split(self, text):
        """The tokens of a text: every character, or words without the white space around them."""
        pieces = self.tokenizer.split(text)
        if self.tokenizer.type == "char":
            return pieces
        return [token for piece in pieces if (token := piece.strip())]

    def encode_tokens(self, tokens):
        """ids (T,) and features (T, K) or None, of a text that is already split."""
        features = None if self.features is None else self.features.encode(tokens)
        return self.tokenizer.encode_tokens(tokens), features

    def encode(self, text):
        """ids (T,) of a text."""
        return self.tokenizer.encode_tokens(self.split(text))

    def decode(self, ids):
        """The text of ids, as the tokenizer writes it."""
        return self.tokenizer.decode(ids)

    def data(self):
        return {"type": self.type, "tokenizer": self.tokenizer.data(),
                "features": None if self.features is None else self.features.data()}

    @classmethod
    def from_data(cls, data):
        """The tokenizer of a parsed file."""
        from tinyllm.text import TOKENIZERS
        parts = {}
        for name in ("tokenizer", "features"):
            parts[name] = data.get(name)
            if not isinstance(parts[name], dict) and (name == "tokenizer" or parts[name] is not None):
                raise ValueError(f"tokenizer: {name} must be an object, got {brief(parts[name])}")
        kind = file_type(parts["tokenizer"])
        if kind not in ("char", "word", "token"):
            raise ValueError(f"tokenizer: tokenizer.type must be one of char, word, token, got {brief(kind)}")
        features = None if parts["features"] is None else TokenFeatures.from_data(parts["features"])
        return cls(TOKENIZERS[kind].from_data(parts["tokenizer"]), features)
