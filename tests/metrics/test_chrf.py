from functools import reduce
from operator import add

import pytest
from hypothesis import given, settings

from tests.metrics.texts import BAD_CORPORA, by_rank, corpora
from tinyllm import __version__
from tinyllm.metrics.chrf import all_ngrams, chrf, chrf_counts, chrf_formula


def test_worked_example():
    """ "ab c" against "abd": P = R = the mean of 2/3, 1/2, 0/1, so chrF is P too; no n-gram is longer."""
    score = chrf(["ab c"], [["abd"]])
    assert score.counts.matches == (2, 1, 0, 0, 0, 0)
    assert score.counts.hypothesis == score.counts.reference == (3, 2, 1, 0, 0, 0)
    assert score.score == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)


def test_recall_counts_twice_as_much():
    """ "a" against "ab": P = 1, R = 1/2, 5 P R / (4 P + R) = 2.5 / 4.5."""
    score = chrf(["a"], [["ab"]])
    assert (score.precision, score.recall) == (100, 50)
    assert score.score == pytest.approx(100 * 2.5 / 4.5)


def test_the_best_reference_counts():
    """Not the one of the highest recall, nor that of the highest precision."""
    score = chrf(["abcdefgh"], [["a", "abcdefgx", "abcdefgh" * 4]])
    assert score.counts.reference == (8, 7, 6, 5, 4, 3)


def test_counts_of_pieces_add_up():
    pairs = [("the cat sat", "the cat"), ("", "a"), ("dog", "dogs")]
    pieces = [chrf_counts(all_ngrams(h, 2), all_ngrams(r, 2)) for h, r in pairs]
    whole = chrf([h for h, _ in pairs], [[r] for _, r in pairs], word_order=2)
    assert chrf_formula(reduce(add, pieces), whole.signature) == whole


def test_the_signature_says_how():
    assert chrf(["a", "b"], [["a"], ["b", "c"]]).signature == (
        f"nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no|version:tinyllm-{__version__}")


@pytest.mark.parametrize("word_order", [0, 2])
@given(corpus=corpora())
@settings(max_examples=200)
def test_equals_sacrebleu(word_order, corpus):
    metric = pytest.importorskip("sacrebleu").CHRF(word_order=word_order)
    theirs = metric.corpus_score(corpus[0], by_rank(corpus[1]))
    ours = chrf(*corpus, word_order=word_order)
    assert ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert ours.signature.split("version:")[0] == str(metric.get_signature()).split("version:")[0]


@pytest.mark.parametrize("hypotheses, references, error, message", BAD_CORPORA)
def test_wrong_input_is_named(hypotheses, references, error, message):
    with pytest.raises(error, match="^chrf: " + message):
        chrf(hypotheses, references)


def test_a_negative_order_is_named():
    with pytest.raises(ValueError, match="chrf: word_order must be 0 or more, got -1"):
        chrf(["a"], [["a"]], word_order=-1)
