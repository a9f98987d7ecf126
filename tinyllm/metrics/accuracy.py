"""Classification: a table of what was predicted for each gold label, then accuracy and macro-F1.

    accuracy = sum of the diagonal / sum of the table
    macro-F1 = the mean over labels of 2 correct / (predicted + gold)

over the labels that occur, as gold or as prediction: scikit-learn's macro average.  Precision is 0 for a
label that is never predicted, recall is 0 for one that is never gold (scikit-learn's zero_division=0).
"""
from collections import Counter
from dataclasses import dataclass

import numpy as np

from tinyllm.metrics.corpus import check_same_number, check_strings
from tinyllm.metrics.matches import Matches


@dataclass(frozen=True)
class Confusion:
    """counts  a Counter of the pairs (gold label, predicted label), at least one."""

    counts: Counter

    def __add__(self, other):
        return Confusion(self.counts + other.counts)

    @property
    def labels(self):
        """The C labels that occur, in order."""
        return sorted({label for pair in self.counts for label in pair})

    @property
    def table(self):
        """The counts as an array (C, C) of integers: [gold, predicted], in the order of labels."""
        labels = self.labels
        return np.array([[self.counts[g, p] for p in labels] for g in labels], np.int64)

    @property
    def by_label(self):
        """label -> Matches, with its precision, recall and F1."""
        table = self.table
        columns = np.stack([table.diagonal(), table.sum(axis=0), table.sum(axis=1)], axis=1)
        return {label: Matches(*row) for label, row in zip(self.labels, columns.tolist())}

    @property
    def accuracy(self):
        """0..1"""
        return sum(count for (g, p), count in self.counts.items() if g == p) / self.counts.total()

    @property
    def macro_f1(self):
        """0..1"""
        by_label = self.by_label.values()
        return sum(matches.f1 for matches in by_label) / len(by_label)

    def as_dict(self):
        """For JSON: accuracy, macro_f1, by_label (label -> precision, recall, f1, support), confusion (gold ->
        predicted -> count, zeros included)."""
        labels = self.labels
        confusion = {g: {p: self.counts[g, p] for p in labels} for g in labels}
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1,
                "by_label": {label: matches.as_dict() for label, matches in self.by_label.items()},
                "confusion": confusion}


def accuracy(gold, predicted):
    """The Confusion of N gold labels and N predicted ones, lists of strings.

    Raises TypeError for what is no list of strings, ValueError for none and for numbers that differ.
    """
    check_strings("accuracy", "gold", gold)
    check_strings("accuracy", "predicted", predicted)
    check_same_number("accuracy", "labels", gold=gold, predicted=predicted)
    return Confusion(Counter(zip(gold, predicted)))
