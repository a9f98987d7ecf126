import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm.metrics.accuracy import accuracy

LABELS = st.sampled_from(["neg", "neutral", "pos", "好"])
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30)


def test_worked_example():
    """pos: 1 of 1 predicted, 1 of 2 gold; neg: 1 of 2, 1 of 2; other: predicted once, never gold."""
    score = accuracy(["pos", "pos", "neg", "neg"], ["pos", "neg", "neg", "other"])
    assert score.labels == ["neg", "other", "pos"]
    np.testing.assert_array_equal(score.table, [[1, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert score.accuracy == 0.5
    f1 = {label: matches.f1 for label, matches in score.by_label.items()}
    assert f1 == pytest.approx({"neg": 0.5, "other": 0, "pos": 2 / 3})
    assert score.by_label["pos"].precision == 1 and score.by_label["pos"].recall == 0.5
    assert score.by_label["other"].recall == 0  # 0 of 0 gold
    assert score.macro_f1 == pytest.approx((0.5 + 0 + 2 / 3) / 3)
    assert score.as_dict() == {
        "accuracy": score.accuracy, "macro_f1": score.macro_f1,
        "by_label": {"neg": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
                     "other": {"precision": 0, "recall": 0, "f1": 0, "support": 0},
                     "pos": {"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2}},
        "confusion": {"neg": {"neg": 1, "other": 1, "pos": 0}, "other": {"neg": 0, "other": 0, "pos": 0},
                      "pos": {"neg": 1, "other": 0, "pos": 1}}}


@given(pairs=PAIRS)
def test_equals_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    gold, predicted = map(list, zip(*pairs))
    score = accuracy(gold, predicted)
    assert score.accuracy == pytest.approx(metrics.accuracy_score(gold, predicted), abs=1e-12)
    assert score.macro_f1 == pytest.approx(
        metrics.f1_score(gold, predicted, average="macro", zero_division=0), abs=1e-12)
    theirs = np.stack(metrics.precision_recall_fscore_support(
        gold, predicted, labels=score.labels, zero_division=0), axis=1)
    ours = [[each.precision, each.recall, each.f1, each.gold] for each in score.by_label.values()]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@given(pairs=PAIRS, more=PAIRS)
def test_counts_of_pieces_add_up(pairs, more):
    def of(pairs):
        return accuracy(*map(list, zip(*pairs)))
    assert of(pairs) + of(more) == of(pairs + more)


@pytest.mark.parametrize("gold, predicted, error, message", [
    (["a"], ["a", "b"], ValueError, "gold and predicted must hold the same number of labels, got 1 and 2"),
    ([], [], ValueError, "gold must not be empty, got no labels"),
    ("ab", ["a", "b"], TypeError, "gold must be a list, got str"),
    (["a"], [1], TypeError, r"predicted\[0\] must be a string, got int"),
])
def test_wrong_input_is_named(gold, predicted, error, message):
    with pytest.raises(error, match="^accuracy: " + message):
        accuracy(gold, predicted)
