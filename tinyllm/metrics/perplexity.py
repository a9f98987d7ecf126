"""How well a model predicts a text: counts, then formulas.

    nats per token = 1/n sum_i -log p(token i | what precedes it)
    perplexity     = exp(nats per token)
    nats per char  = the same sum over the number of characters: comparable between tokenizers
                     (as far as they know the text: an unknown word is one token, however long)
"""
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TextScore:
    """nats  the sum of -log p over all tokens;  tokens and chars  how many there are."""

    nats: float
    tokens: int
    chars: int

    @property
    def nats_per_token(self):
        return self.nats / max(self.tokens, 1)

    @property
    def nats_per_char(self):
        return self.nats / max(self.chars, 1)

    @property
    def perplexity(self):
        """exp(nats per token); inf where that has no float."""
        return math.exp(self.nats_per_token) if self.nats_per_token < 709 else math.inf

    def as_dict(self):
        """For JSON, which has no inf: a perplexity beyond floats is None there."""
        perplexity = self.perplexity if self.perplexity < math.inf else None
        return {"nats_per_char": self.nats_per_char, "nats_per_token": self.nats_per_token,
                "perplexity": perplexity, "chars": self.chars, "tokens": self.tokens}
