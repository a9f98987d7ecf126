"""The bar a language model has to beat: counting.

    p(c | abc) = (count(abc c) + k) / (count(abc) + k V)            n = 4: the character after the three before it
"""
import math
from collections import Counter

from tinyllm.metrics.perplexity import TextScore


def ngram_score(training_text, text, n=4, k=0.01):
    """The TextScore that an n-gram model counted on training_text, with add-k smoothing, has on text.

    V is the number of distinct characters of both; the first n - 1 characters are predicted from as many as there are.
    """
    V = len(set(training_text) | set(text))
    counts = Counter()
    for length in range(1, n + 1):
        counts.update(training_text[i:i + length] for i in range(len(training_text) - length + 1))
    counts[""] = len(training_text)
    nats = 0.0
    for i in range(len(text)):
        before = text[max(0, i - n + 1):i]
        nats -= math.log((counts[before + text[i]] + k) / (counts[before] + k * V))
    return TextScore(nats, len(text), len(text))
