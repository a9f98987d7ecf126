"""Exact match: how many predictions are one of their references, white space at the ends aside.

    score = correct / total
"""
from dataclasses import dataclass

from tinyllm.metrics.corpus import check_corpus


@dataclass(frozen=True)
class ExactMatch:
    """correct  predictions that are one of their references;  total  all of them, at least one."""

    correct: int
    total: int

    def __add__(self, other):
        return ExactMatch(self.correct + other.correct, self.total + other.total)

    @property
    def score(self):
        """0..1"""
        return self.correct / self.total


def exact_match(hypotheses, references):
    """The ExactMatch of a corpus; cases differ.

    hypotheses  N strings
    references  N lists of one string or more

    Raises TypeError for what is no list of strings, ValueError for no sentence, for numbers of sentences that
    differ and for a sentence without a reference.
    """
    check_corpus("exact_match", hypotheses, references)
    correct = sum(hypothesis.strip() in {text.strip() for text in several}
                  for hypothesis, several in zip(hypotheses, references))
    return ExactMatch(correct, len(hypotheses))
