import math
from functools import reduce
from operator import add

import pytest
from hypothesis import given, settings

from tests.metrics.texts import BAD_CORPORA, TEXTS, by_rank, corpora
from tinyllm import __version__
from tinyllm.metrics.bleu import bleu, bleu_counts, bleu_formula
from tinyllm.metrics.bleu_tokenize import TOKENIZERS, bleu_tokens


def test_worked_example():
    """ "a b c d e" against "a b c d f g": p = 4/5, 3/4, 2/3, 1/2, whose product is 1/5; BP = exp(1 - 6/5)."""
    score = bleu(["a b c d e"], [["a b c d f g"]])
    assert score.counts == (4, 3, 2, 1) and score.totals == (5, 4, 3, 2)
    assert (score.hypothesis_length, score.reference_length) == (5, 6)
    assert score.precisions == pytest.approx((80, 75, 200 / 3, 50))
    assert score.brevity_penalty == pytest.approx(math.exp(-0.2))
    assert score.score == pytest.approx(100 * math.exp(-0.2) * 0.2 ** 0.25)


def test_precisions_without_a_match_are_halved_again_and_again():
    """ "a b x c d" against "a b y c d" no 3-gram of 3 and no 4-gram of 2 matches: 1/(2*3), 1/(4*2)."""
    assert bleu(["a b x c d"], [["a b y c d"]]).precisions == pytest.approx((80, 50, 100 / 6, 100 / 8))


def test_an_ngram_counts_as_often_as_in_the_reference_that_has_it_most():
    """ "the" stands at most twice in a reference, so two of seven match (Papineni's example)."""
    score = bleu(["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]])
    assert score.counts[0] == 2 and score.totals[0] == 7


def test_the_closest_reference_and_the_shorter_of_two_count_for_the_length():
    score = bleu(["a b c d"], [["a b c d e f", "a b c", "a b c d e"]])
    assert score.reference_length == 3


def test_counts_of_pieces_add_up():
    sentences = [("a b c d e", ["a b c d f g"]), ("x y", ["x y z", "x"]), ("", ["a"])]
    pieces = [bleu_counts(h.split(), [r.split() for r in several]) for h, several in sentences]
    whole = bleu(*map(list, zip(*sentences)))
    assert bleu_formula(reduce(add, pieces), whole.signature) == whole


def test_the_signature_says_how():
    assert bleu(["a"], [["a", "b"]], tokenize="zh").signature == (
        f"nrefs:2|case:mixed|eff:no|tok:zh|smooth:exp|version:tinyllm-{__version__}")


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@given(corpus=corpora())
@settings(max_examples=100)
def test_equals_sacrebleu(tokenize, corpus):
    metric = pytest.importorskip("sacrebleu").BLEU(tokenize=tokenize, force=True)
    theirs = metric.corpus_score(corpus[0], by_rank(corpus[1]))
    ours = bleu(*corpus, tokenize=tokenize)
    assert ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert ours.precisions == pytest.approx(theirs.precisions, abs=1e-9)
    assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12)
    assert (ours.hypothesis_length, ours.reference_length) == (theirs.sys_len, theirs.ref_len)
    assert (*ours.counts, *ours.totals) == (*theirs.counts, *theirs.totals)
    assert ours.signature.split("version:")[0] == str(metric.get_signature()).split("version:")[0]


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@given(text=TEXTS)
@settings(max_examples=100)
def test_tokens_are_those_of_sacrebleu(tokenize, text):
    metric = pytest.importorskip("sacrebleu").BLEU(tokenize=tokenize)
    assert bleu_tokens(text, tokenize) == metric.tokenizer(text.rstrip()).split()


@pytest.mark.parametrize("tokenize", TOKENIZERS)
def test_every_character_is_read_as_sacrebleu_reads_it(tokenize):
    """Between letters, between digits: all characters up to U+FFFF, emoji, the beginnings of later planes."""
    metric = pytest.importorskip("sacrebleu").BLEU(tokenize=tokenize)
    characters = [chr(i) for block in (range(0x10000), range(0x1F300, 0x1F700), range(0x20000, 0x20100),
                                       range(0x2F800, 0x2F900)) for i in block]
    for neighbour in "a1":
        text = neighbour.join(characters) + neighbour
        assert bleu_tokens(text, tokenize) == metric.tokenizer(text).split()


@pytest.mark.parametrize("tokenize, tokens", [
    ("13a", "Prices rose 3.5 % , he said ( 1990 - 95 ) . 你好。".split()),
    ("zh", "Prices rose 3.5 % , he said ( 1990 - 95 ) . 你 好 。".split()),
    ("char", [*"Pricesrose3.5%,hesaid(1990-95).你好。"]),
    ("none", ["Prices", "rose", "3.5%,", "he", "said", "(1990-95).", "你好。"]),
])
def test_tokens(tokenize, tokens):
    assert bleu_tokens("Prices rose 3.5%, he said (1990-95). 你好。\n", tokenize) == tokens


@pytest.mark.parametrize("tokenize, text, tokens", [
    ("13a", "in 1995.", ["in", "1995", "."]),
    ("zh", "in 1995.", ["in", "1995."]),
    ("13a", ".5", [".", "5"]),
    ("zh", "\n.5", [".5"]),
    ("13a", "a..5", ["a", ".", ".5"]),
    ("13a", "-.3.a", ["-", ".", "3", ".", "a"]),
    ("13a", "&amp;quot;", ["&", "quot", ";"]),  # what &amp; leaves is not read again as &quot;
    ("13a", "twen-\nty <skipped>", ["twenty"]),
    ("zh", "他说“好”—𠀀𠀀", ["他", "说", "“", "好", "”", "—", "𠀀𠀀"]),
])
def test_odd_corners(tokenize, text, tokens):
    assert bleu_tokens(text, tokenize) == tokens


@pytest.mark.parametrize("hypotheses, references, error, message", BAD_CORPORA)
def test_wrong_input_is_named(hypotheses, references, error, message):
    with pytest.raises(error, match="^bleu: " + message):
        bleu(hypotheses, references)


def test_an_unknown_tokenizer_is_answered_with_the_known():
    with pytest.raises(ValueError, match="bleu: tokenize must be one of 13a, zh, char, none, got 'intl'"):
        bleu(["a"], [["a"]], tokenize="intl")
