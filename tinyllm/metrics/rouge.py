"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as F-measures.

    ROUGE-N  matches are the n-grams in common with the reference, each as often as in the one that has fewer
    ROUGE-L  matches are the tokens of a longest common subsequence
    each     the F1 of matches / hypothesis and matches / reference: 100 times its mean over sentences

Of several references a sentence counts with its best, for each of the three by itself.  Tokens are, in lower
case, runs of a-z and 0-9 without stemming, as in the rouge_score package, and (our addition, which leaves
English as it is) each CJK character: Han, Hiragana, Katakana, as in text/word.py.  All else separates tokens.
"""
from typing import NamedTuple

import regex

from tinyllm.metrics.corpus import check_corpus
from tinyllm.metrics.matches import Matches, ngrams, shared

TOKEN = regex.compile(r"[a-z0-9]+|[\p{Han}\p{Hiragana}\p{Katakana}]")


class SentenceRouge(NamedTuple):
    """The Matches of one sentence: single tokens, pairs of tokens, the longest common subsequence."""

    rouge_1: Matches
    rouge_2: Matches
    rouge_l: Matches


class RougeScore(NamedTuple):
    """rouge_1, rouge_2, rouge_l  0..100;  sentences  the SentenceRouge of each."""

    rouge_1: float
    rouge_2: float
    rouge_l: float
    sentences: tuple

    def as_dict(self):
        """For JSON: the three figures."""
        return {"rouge_1": self.rouge_1, "rouge_2": self.rouge_2, "rouge_l": self.rouge_l}


def rouge_tokens(text):
    """The tokens of a text."""
    return TOKEN.findall(text.lower())


def longest_common_subsequence(a, b):
    """How many tokens the longest common subsequence of two lists has.

    The usual table has it for every beginning of b (rows) and of a (columns).  Along a row it rises by 0 or 1
    at a time, so a row is one bit for each token of a, 0 where it rises, and one addition makes the next row
    (Hyyrö 2004): the rise at the end of each run of ones moves, by the carry, to the first match in the run.
    """
    places = {}
    for i, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << i
    everywhere = row = (1 << len(a)) - 1
    for token in b:
        matches = row & places.get(token, 0)
        row = (row + matches | row - matches) & everywhere
    return len(a) - row.bit_count()


def rouge_counts(hypothesis, reference):
    """The SentenceRouge of two lists of tokens."""
    pairs = [(ngrams(hypothesis, n), ngrams(reference, n)) for n in (1, 2)]
    length = longest_common_subsequence(hypothesis, reference)
    return SentenceRouge(*(Matches(shared(h, r), h.total(), r.total()) for h, r in pairs),
                         Matches(length, len(hypothesis), len(reference)))


def rouge_formula(sentences):
    """The RougeScore of SentenceRouges: the mean of their F1."""
    means = (100 * sum(matches.f1 for matches in kind) / len(kind) for kind in zip(*sentences))
    return RougeScore(*means, tuple(sentences))


def rouge(hypotheses, references):
    """The RougeScore of a corpus.

    hypotheses  N strings
    references  N lists of one string or more

    Raises TypeError for what is no list of strings, ValueError for no sentence, for numbers of sentences that
    differ and for a sentence without a reference.
    """
    check_corpus("rouge", hypotheses, references)
    sentences = []
    for hypothesis, several in zip(hypotheses, references):
        tokens = rouge_tokens(hypothesis)
        candidates = [rouge_counts(tokens, rouge_tokens(text)) for text in several]
        best = (max(kind, key=lambda matches: matches.f1) for kind in zip(*candidates))
        sentences.append(SentenceRouge(*best))
    return rouge_formula(sentences)
