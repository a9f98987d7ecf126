"""What metrics count: n-grams, how many of them two texts share, and the three formulas of such counts.

    precision = correct / predicted
    recall    = correct / gold
    F1        = 2 precision recall / (precision + recall) = 2 correct / (predicted + gold)

Each is 0 where it would be 0 / 0.
"""
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Matches:
    """predicted  how many things were predicted;  gold  how many there are;  correct  how many are both."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other):
        return Matches(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self):
        return self.correct / max(self.predicted, 1)

    @property
    def recall(self):
        return self.correct / max(self.gold, 1)

    @property
    def f1(self):
        return 2 * self.correct / max(self.predicted + self.gold, 1)

    def as_dict(self):
        """For JSON: precision, recall, f1 (0..1) and support, which is gold."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.gold}


def ngrams(tokens, n):
    """How often each n consecutive tokens occur, as a Counter of tuples; of a string, n characters."""
    return Counter(zip(*(tokens[i:] for i in range(n))))


def shared(counts, others):
    """The size of what two Counters have in common: each n-gram as often as in the one that has fewer."""
    return sum(min(count, others[gram]) for gram, count in counts.items() if gram in others)
