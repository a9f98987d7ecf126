import pytest

from tests.metrics.texts import BAD_CORPORA
from tinyllm.metrics.exact_match import ExactMatch, exact_match


def test_worked_example():
    """Two of four: white space at the ends does not count, any reference will do; case does count."""
    result = exact_match(["yes ", "no", "Hallway", "two  words"],
                         [["yes"], ["nay", "\tno"], ["hallway"], ["two words"]])
    assert (result.correct, result.total, result.score) == (2, 4, 0.5)


def test_counts_of_pieces_add_up():
    assert exact_match(["a"], [["a"]]) + exact_match(["a", "b"], [["b"], ["c"]]) == ExactMatch(1, 3)


@pytest.mark.parametrize("hypotheses, references, error, message", BAD_CORPORA)
def test_wrong_input_is_named(hypotheses, references, error, message):
    with pytest.raises(error, match="^exact_match: " + message):
        exact_match(hypotheses, references)
