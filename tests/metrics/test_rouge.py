import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.texts import BAD_CORPORA
from tinyllm.metrics.rouge import longest_common_subsequence, rouge, rouge_formula, rouge_tokens


def test_worked_example():
    """Lin's: "police kill the gunman" against "police killed ...": 3 of 4, 1 of 3 pairs, 3 in order."""
    score = rouge(["police kill the gunman"], [["police killed the gunman"]])
    assert (score.rouge_1, score.rouge_2, score.rouge_l) == pytest.approx((75, 100 / 3, 75))


def test_order_counts_for_rouge_l_only():
    """Lin's: "the gunman kill police" has the same words, no more than two in order, one pair of three."""
    score = rouge(["the gunman kill police"], [["police kill the gunman"]])
    assert (score.rouge_1, score.rouge_2, score.rouge_l) == pytest.approx((100, 100 / 3, 50))


def test_precision_and_recall_of_each_sentence():
    """ "a a b" against "a b c d": 2 of 3 and 2 of 4, F1 = 4/7; nothing of the second sentence: mean 2/7."""
    score = rouge(["a a b", ""], [["a b c d"], ["x"]])
    first, second = score.sentences
    assert (first.rouge_1.precision, first.rouge_1.recall) == (2 / 3, 2 / 4)
    assert second.rouge_1.f1 == 0
    assert score.rouge_1 == pytest.approx(100 * 2 / 7)
    assert score.as_dict() == {"rouge_1": score.rouge_1, "rouge_2": score.rouge_2, "rouge_l": score.rouge_l}


def test_each_measure_takes_its_best_reference():
    """ "c d a b" has more tokens in common with the first, more in order with the second."""
    score = rouge(["c d a b"], [["a b c d", "c d a x y"]])
    assert (score.rouge_1, score.rouge_l) == pytest.approx((100, 100 * 6 / 9))
    assert rouge(["a b c d"], [["a", "a b c x"]]).rouge_1 == 75  # best by F1, not by recall


def test_pieces_add_up():
    corpus = ["a b", "c d e", "f"], [["a"], ["c e", "d"], ["g"]]
    pieces = [rouge([h], [several]).sentences[0] for h, several in zip(*corpus)]
    assert rouge_formula(pieces) == rouge(*corpus)


def test_tokens():
    assert rouge_tokens("Re: Q3-Budget, it's 25% OVER! naïve") == [
        "re", "q3", "budget", "it", "s", "25", "over", "na", "ve"]


def test_each_cjk_character_is_a_token():
    assert rouge_tokens("今天GPT-4很好。のカナ") == ["今", "天", "gpt", "4", "很", "好", "の", "カ", "ナ"]
    assert rouge(["今天很好"], [["今天不好"]]).rouge_l == 75


def table(a, b):
    """The textbook's way: L[i, j] = L[i-1, j-1] + 1 where the tokens are equal, else the larger neighbour."""
    row = [0] * (len(a) + 1)
    for token in b:
        new = [0]
        for i, other in enumerate(a):
            new.append(row[i] + 1 if token == other else max(row[i + 1], new[i]))
        row = new
    return row[-1]


@given(a=st.lists(st.integers(0, 4), max_size=150), b=st.lists(st.integers(0, 4), max_size=150))
@settings(max_examples=100)
def test_the_longest_common_subsequence_is_that_of_the_table(a, b):
    assert longest_common_subsequence(a, b) == table(a, b)


@pytest.mark.parametrize("hypotheses, references, error, message", BAD_CORPORA)
def test_wrong_input_is_named(hypotheses, references, error, message):
    with pytest.raises(error, match="^rouge: " + message):
        rouge(hypotheses, references)
