import math

import pytest

from tinyllm.metrics.ngram import ngram_score
from tinyllm.metrics.perplexity import TextScore


def test_worked_example():
    """Four tokens over eight characters, each token with probability 1/2: perplexity 2, log(2)/2 nats per character."""
    score = TextScore(nats=4 * math.log(2), tokens=4, chars=8)
    assert score.nats_per_token == pytest.approx(math.log(2))
    assert score.perplexity == pytest.approx(2)
    assert score.nats_per_char == pytest.approx(math.log(2) / 2)


def test_a_perplexity_beyond_floats_is_inf():
    score = TextScore(nats=1e6, tokens=1, chars=1)
    assert score.perplexity == math.inf
    assert score.as_dict()["perplexity"] is None


def test_ngram_worked_example():
    """A bigram of "abab" with k = 1 and V = 2: p(a) = (2+1)/(4+2), p(b|a) = (2+1)/(2+2)."""
    score = ngram_score("abab", "ab", n=2, k=1)
    assert score.nats == pytest.approx(-math.log(3 / 6) - math.log(3 / 4))


def test_ngram_of_unseen_text_is_uniform():
    """Nothing of "xy" was counted, so each character has k / (k V) once its context is unseen as well."""
    score = ngram_score("ab", "xy", n=3, k=0.5)
    assert score.nats == pytest.approx(-math.log(0.5 / (2 + 0.5 * 4)) + math.log(4))
