"""BLEU of a corpus (Papineni et al. 2002), equal to sacrebleu's.

    p_n  = matches_n / totals_n      the share of the hypotheses' n-grams, n = 1..4, that a reference has too,
                                     each at most as often as the reference that has it most often
    BP   = 1                h >= r   h tokens of the hypotheses, r tokens of the references: for each sentence
           exp(1 - r / h)   h < r    the one closest in length, the shorter of two equally close
    BLEU = 100 BP (p_1 p_2 p_3 p_4)^(1/4)

Counts add up over sentences first.  Smoothing "exp" (Chen and Cherry 2014, method 3): the k-th p_n without a
match becomes 1 / (2^k totals_n).  BLEU is 0 where nothing matches or no hypothesis has four tokens.
"""
import math
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import NamedTuple

from tinyllm.metrics.bleu_tokenize import TOKENIZERS, bleu_tokens
from tinyllm.metrics.corpus import check_corpus, signature
from tinyllm.metrics.matches import ngrams, shared

ORDERS = 1, 2, 3, 4


@dataclass(frozen=True)
class BleuCounts:
    """matches and totals  n-grams for n = 1..4;  hypothesis_length and reference_length  tokens, h and r."""

    matches: tuple
    totals: tuple
    hypothesis_length: int
    reference_length: int

    def __add__(self, other):
        return BleuCounts(tuple(map(add, self.matches, other.matches)),
                          tuple(map(add, self.totals, other.totals)),
                          self.hypothesis_length + other.hypothesis_length,
                          self.reference_length + other.reference_length)


class BleuScore(NamedTuple):
    """score  0..100;  precisions  of n = 1..4, 0..100, smoothed;  brevity_penalty  0..1;  lengths  in tokens;
    counts and totals  n-grams that match, and all;  signature  what the score was made with."""

    score: float
    precisions: tuple
    brevity_penalty: float
    hypothesis_length: int
    reference_length: int
    counts: tuple
    totals: tuple
    signature: str


def bleu_counts(hypothesis, references):
    """The BleuCounts of one sentence: lists of tokens, one or more references."""
    matches = []
    for n in ORDERS:
        most = reduce(or_, (ngrams(tokens, n) for tokens in references))  # | keeps the larger of two counts
        matches.append(shared(ngrams(hypothesis, n), most))
    h = len(hypothesis)
    r = min((len(tokens) for tokens in references), key=lambda length: (abs(length - h), length))
    return BleuCounts(tuple(matches), tuple(max(h - n + 1, 0) for n in ORDERS), h, r)


def bleu_formula(counts, signature=""):
    """The BleuScore of a corpus's BleuCounts."""
    h, r = counts.hypothesis_length, counts.reference_length
    if h >= r:
        penalty = 1.0
    else:
        penalty = math.exp(1 - r / h) if h else 0.0
    precisions, without = [], 0
    for matches, total in zip(counts.matches, counts.totals):
        without += matches == 0
        smoothed = matches or 0.5 ** without
        precisions.append(100 * smoothed / total if total and any(counts.matches) else 0.0)
    score = penalty * math.exp(sum(map(math.log, precisions)) / len(ORDERS)) if all(precisions) else 0.0
    return BleuScore(score, tuple(precisions), penalty, h, r, counts.matches, counts.totals, signature)


def bleu(hypotheses, references, tokenize="13a"):
    """The BleuScore of a corpus; cases differ.

    hypotheses  N strings
    references  N lists of one string or more, not necessarily the same number
    tokenize    "13a" for Western text, "zh" for Chinese, "char", "none": as bleu_tokenize.py says

    Raises TypeError for what is no list of strings, ValueError for no sentence, for numbers of sentences that
    differ, for a sentence without a reference and for an unknown tokenize.
    """
    if tokenize not in TOKENIZERS:
        raise ValueError(f"bleu: tokenize must be one of {', '.join(TOKENIZERS)}, got {tokenize!r}")
    check_corpus("bleu", hypotheses, references)
    counts = []
    for hypothesis, several in zip(hypotheses, references):
        tokens, *of_references = (bleu_tokens(text, tokenize) for text in (hypothesis, *several))
        counts.append(bleu_counts(tokens, of_references))
    return bleu_formula(reduce(add, counts), signature(references, eff="no", tok=tokenize, smooth="exp"))
