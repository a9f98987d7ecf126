"""chrF of a corpus (Popović 2015), equal to sacrebleu's: n-grams of characters, white space left out.

    P, R = the means over n = 1..6 of matches_n / hypothesis_n and matches_n / reference_n
    chrF = 100 (1 + b^2) P R / (b^2 P + R)          b = 2: recall counts twice as much as precision

Counts add up over sentences first; of several references a sentence counts with the one of the highest chrF,
the first of equals.  An n of which either side has no n-gram is left out of the means.  With word_order=2,
n-grams of one and of two words join the means, punctuation apart from its word: chrF++ (Popović 2017).
"""
import string
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

from tinyllm.metrics.corpus import check_corpus, signature
from tinyllm.metrics.matches import ngrams, shared

CHAR_ORDER, BETA = 6, 2


@dataclass(frozen=True)
class ChrfCounts:
    """matches, hypothesis, reference: n-grams in common and of each side, by n (characters, then words)."""

    matches: tuple
    hypothesis: tuple
    reference: tuple

    def __add__(self, other):
        return ChrfCounts(tuple(map(add, self.matches, other.matches)),
                          tuple(map(add, self.hypothesis, other.hypothesis)),
                          tuple(map(add, self.reference, other.reference)))


class ChrfScore(NamedTuple):
    """score, precision and recall  0..100;  counts  ChrfCounts;  signature  what the score was made with."""

    score: float
    precision: float
    recall: float
    counts: ChrfCounts
    signature: str


def words(text):
    """The words of a text; a punctuation mark at the end of a word, or else at its start, is one itself."""
    result = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            result += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            result += [word[0], word[1:]]
        else:
            result.append(word)
    return result


def all_ngrams(text, word_order):
    """A Counter for each n: of characters, then of words."""
    characters, of_words = "".join(text.split()), words(text)
    return [*(ngrams(characters, n + 1) for n in range(CHAR_ORDER)),
            *(ngrams(of_words, n + 1) for n in range(word_order))]


def chrf_counts(hypothesis, reference):
    """The ChrfCounts of one sentence and one reference, both as all_ngrams gives them."""
    # where the reference is too short for n-grams, those of the hypothesis do not count against it
    counted = tuple(h.total() if r else 0 for h, r in zip(hypothesis, reference))
    return ChrfCounts(tuple(map(shared, hypothesis, reference)), counted, tuple(r.total() for r in reference))


def chrf_formula(counts, signature=""):
    """The ChrfScore of ChrfCounts."""
    both = [(m, h, r) for m, h, r in zip(counts.matches, counts.hypothesis, counts.reference) if h and r]
    precision = sum(m / h for m, h, r in both) / max(len(both), 1)
    recall = sum(m / r for m, h, r in both) / max(len(both), 1)
    b2 = BETA ** 2
    score = (1 + b2) * precision * recall / (b2 * precision + recall) if precision + recall else 0.0
    return ChrfScore(100 * score, 100 * precision, 100 * recall, counts, signature)


def chrf(hypotheses, references, word_order=0):
    """The ChrfScore of a corpus; cases differ.

    hypotheses  N strings
    references  N lists of one string or more, not necessarily the same number
    word_order  0 for chrF, 2 for chrF++

    Raises TypeError for what is no list of strings, ValueError for no sentence, for numbers of sentences that
    differ, for a sentence without a reference and for a negative word_order.
    """
    if word_order < 0:
        raise ValueError(f"chrf: word_order must be 0 or more, got {word_order}")
    check_corpus("chrf", hypotheses, references)
    counts = []
    for hypothesis, several in zip(hypotheses, references):
        of_hypothesis = all_ngrams(hypothesis, word_order)
        candidates = [chrf_counts(of_hypothesis, all_ngrams(text, word_order)) for text in several]
        counts.append(max(candidates, key=lambda candidate: chrf_formula(candidate).score))
    return chrf_formula(reduce(add, counts),
                        signature(references, eff="yes", nc=CHAR_ORDER, nw=word_order, space="no"))
