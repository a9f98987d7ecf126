import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyllm.metrics.entity_f1 import bio_constraints, check_bio, entities, entity_f1

TAGS = ["O", "B-per", "I-per", "B-geo", "I-geo", "I-geo-loc"]
PAIRS = st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS))
SENTENCES = st.lists(st.lists(PAIRS, max_size=12), min_size=1, max_size=5)


def sides(sentences):
    """Sentences of (gold, predicted) tags -> the gold sentences, the predicted ones."""
    return [[g for g, _ in pairs] for pairs in sentences], [[p for _, p in pairs] for pairs in sentences]


def test_worked_example():
    """per: one of two predictions is right, one of one found; geo: one entity, its end missed."""
    gold = [["B-per", "I-per", "O", "B-geo", "I-geo"], ["O"]]
    predicted = [["B-per", "I-per", "O", "B-geo", "O"], ["B-per"]]
    score = entity_f1(gold, predicted)
    assert (score.precision, score.recall, score.f1) == pytest.approx((1 / 3, 1 / 2, 0.4))
    assert score.as_dict() == {
        "precision": score.precision, "recall": score.recall, "f1": score.f1,
        "by_type": {"geo": {"precision": 0, "recall": 0, "f1": 0, "support": 1},
                    "per": {"precision": 0.5, "recall": 1, "f1": pytest.approx(2 / 3), "support": 1}}}


def test_no_entity_at_all_is_0():
    score = entity_f1([["O"], []], [["O"], []])
    assert score.as_dict() == {"precision": 0, "recall": 0, "f1": 0, "by_type": {}}


def test_entities():
    assert entities(["B-per", "I-per", "B-per", "O", "I-geo", "I-per"]) == [
        ("per", 0, 2), ("per", 2, 3), ("geo", 4, 5), ("per", 5, 6)]


@given(tags=st.lists(st.sampled_from(TAGS), max_size=20))
@settings(max_examples=100)
def test_entities_are_those_of_seqeval(tags):
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    assert entities(tags) == [(kind, start, last + 1) for kind, start, last in labeling.get_entities(tags)]


@given(sentences=SENTENCES)
@settings(max_examples=100)
def test_equals_seqeval(sentences):
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    gold, predicted = sides(sentences)
    score = entity_f1(gold, predicted)
    micro = labeling.precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
    assert (score.precision, score.recall, score.f1, score.micro.gold) == pytest.approx(micro, abs=1e-12)
    theirs = labeling.precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    ours = [list(each.values()) for each in score.as_dict()["by_type"].values()]
    np.testing.assert_allclose(np.reshape(ours, (-1, 4)), np.stack(theirs, axis=1), rtol=0, atol=1e-12)
    assert list(score.by_type) == sorted({entity[0] for entity in labeling.get_entities(gold + predicted)})


@given(one=SENTENCES, other=SENTENCES)
def test_counts_of_pieces_add_up(one, other):
    assert entity_f1(*sides(one)) + entity_f1(*sides(other)) == entity_f1(*sides(one + other))


@pytest.mark.parametrize("tags, index, reason", [
    (["I-per"], 0, "I-per must come after B-per or I-per, got it at the beginning of a sentence"),
    (["B-per", "O", "I-per"], 2, "I-per must come after B-per or I-per, got it after O"),
    (["B-per", "I-per", "I-geo"], 2, "I-geo must come after B-geo or I-geo, got it after I-per"),
    (["O", "E-per"], 1, "must be O, B-type or I-type, got 'E-per'"),
    (["O", "B-"], 1, "must be O, B-type or I-type, got 'B-'"),
    (["B", "O"], 0, "must be O, B-type or I-type, got 'B'"),
    (["o"], 0, "must be O, B-type or I-type, got 'o'"),
    ([""], 0, "must be O, B-type or I-type, got ''"),
])
def test_the_first_violation_is_named(tags, index, reason):
    assert check_bio(tags) == (index, reason)


def test_bio_is_no_violation():
    assert check_bio(["B-per", "I-per", "I-per", "B-per", "B-geo", "O", "B-geo-loc", "I-geo-loc"]) is None
    assert check_bio([]) is None


@given(tags=st.lists(st.integers(0, len(TAGS) - 1), max_size=6))
@settings(max_examples=100)
def test_the_constraints_allow_what_is_no_violation(tags):
    start, follow = bio_constraints(TAGS)
    allowed = all(start[tags[:1]]) and all(follow[tags[:-1], tags[1:]])
    assert allowed == (check_bio([TAGS[tag] for tag in tags]) is None)


def test_constraints_are_from_to():
    start, follow = bio_constraints(["O", "B-per", "I-per"])
    np.testing.assert_array_equal(start, [True, True, False])
    np.testing.assert_array_equal(follow, [[True, True, False], [True, True, True], [True, True, True]])
    assert start.dtype == follow.dtype == bool


@pytest.mark.parametrize("gold, predicted, error, message", [
    ([["O"]], [["O"], ["O"]], ValueError,
     "gold and predicted must hold the same number of sentences, got 1 and 2"),
    ([["O"], ["O"]], [["O"], ["O", "O"]], ValueError,
     r"gold\[1\] and predicted\[1\] must hold the same number of tags, got 1 and 2"),
    ([], [], ValueError, "gold must not be empty, got no sentences"),
    ([["O"]], [["per"]], ValueError, r"predicted\[0\]\[0\] must be O, B-type or I-type, got 'per'"),
    ([[1]], [["O"]], ValueError, r"gold\[0\]\[0\] must be O, B-type or I-type, got 1"),
    ("O", [["O"]], TypeError, "gold must be a list, got str"),
    (["O"], [["O"]], TypeError, r"gold\[0\] must be a list, got str"),
])
def test_wrong_input_is_named(gold, predicted, error, message):
    with pytest.raises(error, match="^entity_f1: " + message):
        entity_f1(gold, predicted)


@pytest.mark.parametrize("function, argument", [(entities, "tags"), (bio_constraints, "labels")])
def test_what_is_no_tag_is_named(function, argument):
    message = rf"^{function.__name__}: {argument}\[1\] must be O, B-type or I-type, got 'S-x'"
    with pytest.raises(ValueError, match=message):
        function(["O", "S-x"])
