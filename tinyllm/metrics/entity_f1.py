"""Entities in BIO tags, and how many of them are found: precision, recall and F1, equal to seqeval's default.

    B-type  the first token of an entity      I-type  a further one      O  no entity

An entity is right where its type, first and last token are.  Counts add up over sentences and (micro) over
types.  Tags that break the rules are read as conlleval reads them: an I- after O, after another type or at
the beginning of a sentence begins an entity.  check_bio says where tags break the rules; a decoder that obeys
bio_constraints never does.
"""
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinyllm.metrics.corpus import check_list, check_same_number
from tinyllm.metrics.matches import Matches


class Entity(NamedTuple):
    """The tokens start .. end - 1 of a sentence."""

    type: str
    start: int
    end: int


class Violation(NamedTuple):
    """Where tags are not BIO, and why."""

    index: int
    reason: str


@dataclass(frozen=True)
class EntityScore:
    """by_type  type -> Matches of the entities of this type."""

    by_type: dict

    def __add__(self, other):
        types = sorted({*self.by_type, *other.by_type})
        return EntityScore({each: self.by_type.get(each, Matches()) + other.by_type.get(each, Matches())
                            for each in types})

    @property
    def micro(self):
        """The Matches of all types together."""
        return sum(self.by_type.values(), Matches())

    @property
    def precision(self):
        """0..1"""
        return self.micro.precision

    @property
    def recall(self):
        """0..1"""
        return self.micro.recall

    @property
    def f1(self):
        """0..1"""
        return self.micro.f1

    def as_dict(self):
        """For JSON: precision, recall, f1, by_type (type -> precision, recall, f1, support)."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1,
                "by_type": {each: matches.as_dict() for each, matches in self.by_type.items()}}


def _parts(tag):
    """("B", type), ("I", type), ("O", None); None for what is no BIO tag."""
    if tag == "O":
        return "O", None
    prefix, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    return (prefix, kind) if prefix in ("B", "I") and kind else None


def _all_parts(function, argument, tags):
    """The parts of every tag.  Raises ValueError at the first that is no BIO tag."""
    parts = [_parts(tag) for tag in tags]
    if None in parts:
        i = parts.index(None)
        raise ValueError(f"{function}: {argument}[{i}] must be O, B-type or I-type, got {tags[i]!r}")
    return parts


def _may_follow(before, after):
    """Whether BIO has a tag of the parts `after` behind one of the parts `before`."""
    return after[0] != "I" or before[1] == after[1]


def entities(tags):
    """The entities of a sentence in order, as a list of (type, start, end), end exclusive.

    Raises ValueError for a tag that is not O, B-type or I-type.
    """
    return _entities(_all_parts("entities", "tags", tags))


def _entities(parts):
    found, open_type, start = [], None, 0
    for i, (prefix, kind) in enumerate([*parts, ("O", None)]):
        if prefix == "I" and kind == open_type:
            continue
        if open_type is not None:
            found.append(Entity(open_type, start, i))
        open_type, start = kind, i
    return found


def check_bio(tags):
    """The first Violation (index, reason) of BIO in the tags of a sentence; None where there is none.

    The reason is what follows "the tag ": "must be O, B-type or I-type, got 'X'".
    """
    before = "O", None
    for i, tag in enumerate(tags):
        parts = _parts(tag)
        if parts is None:
            return Violation(i, f"must be O, B-type or I-type, got {tag!r}")
        if not _may_follow(before, parts):
            place = f"after {tags[i - 1]}" if i else "at the beginning of a sentence"
            return Violation(i, f"{tag} must come after B-{parts[1]} or {tag}, got it {place}")
        before = parts
    return None


def bio_constraints(labels):
    """Which labels may begin a sentence (C,), and which may follow which (C, C), [from, to]: boolean arrays.

    labels  C BIO tags.  Raises ValueError for a label that is not O, B-type or I-type.
    """
    parts = _all_parts("bio_constraints", "labels", labels)
    start = np.array([_may_follow(("O", None), after) for after in parts], bool)
    follow = np.array([[_may_follow(before, after) for after in parts] for before in parts], bool)
    return start, follow.reshape(len(parts), len(parts))


def entity_f1(gold, predicted):
    """The EntityScore of N sentences.

    gold, predicted  N lists of BIO tags, one a token

    Raises TypeError for what is no list, ValueError for no sentence, for numbers of sentences or of tags that
    differ and for a tag that is not O, B-type or I-type.
    """
    found = {"gold": Counter(), "predicted": Counter(), "correct": Counter()}
    check_list("entity_f1", "gold", gold)
    check_list("entity_f1", "predicted", predicted)
    check_same_number("entity_f1", "sentences", gold=gold, predicted=predicted)
    for i, pair in enumerate(zip(gold, predicted)):
        of_sentence = {}
        for side, tags in zip(("gold", "predicted"), pair):
            check_list("entity_f1", f"{side}[{i}]", tags)
            of_sentence[side] = set(_entities(_all_parts("entity_f1", f"{side}[{i}]", tags)))
        if len(pair[0]) != len(pair[1]):
            raise ValueError(f"entity_f1: gold[{i}] and predicted[{i}] must hold the same number of tags, "
                             f"got {len(pair[0])} and {len(pair[1])}")
        of_sentence["correct"] = of_sentence["gold"] & of_sentence["predicted"]
        for side, those in of_sentence.items():
            found[side].update(entity.type for entity in those)
    types = sorted({*found["gold"], *found["predicted"]})
    return EntityScore({each: Matches(found["correct"][each], found["predicted"][each], found["gold"][each])
                        for each in types})
