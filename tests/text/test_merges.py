import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinyllm.text.merges import apply_merges, learn_merges

WORDS = st.dictionaries(st.text("abc", min_size=1, max_size=12), st.integers(1, 5), min_size=1, max_size=8)


def arrays(words):
    """tokens, starts: a is 0, b is 1, ..."""
    tokens = np.array([ord(c) - ord("a") for c in "".join(words)], np.int32)
    return tokens, np.cumsum([0, *map(len, words)], dtype=np.int64)


def learn(words, limit=1000):
    strings = [b"a", b"b", b"c", b"d"]
    merges = learn_merges(*arrays(words), np.array(list(words.values()), np.int64), strings, limit)
    return merges, strings


def plain_merge(word, x, y, z):
    """x y becomes z, from left to right."""
    out = []
    for id in word:
        out.append(id)
        if out[-2:] == [x, y] and len(out) >= 2:
            out[-2:] = [z]
    return out


def plain_learn(words):
    """The docstring's definition: count everything again before each merge."""
    split = [([ord(c) - ord("a") for c in word], count) for word, count in words.items()]
    merges = []
    while True:
        counts = {}
        for word, count in split:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + count
        if not counts or max(counts.values()) < 2:
            return merges
        x, y = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append((x, y, 4 + len(merges)))
        split = [(plain_merge(word, *merges[-1]), count) for word, count in split]


def plain_apply(word, merges):
    """The pair that was learned first is merged, at its leftmost place, until none is left."""
    rank = {(x, y): (r, z) for r, (x, y, z) in enumerate(merges)}
    word = list(word)
    while found := [(*rank[pair], i) for i, pair in enumerate(zip(word, word[1:])) if pair in rank]:
        r, z, i = min(found, key=lambda entry: (entry[0], entry[2]))
        word[i:i + 2] = [z]
    return word


def apply(words, merges):
    merges = np.array(merges, np.int64).reshape(-1, 3)
    pairs = (merges[:, 0] << 32) + merges[:, 1]
    ranks = np.argsort(pairs)
    tokens, starts = arrays(words)
    ends = apply_merges(tokens, starts, pairs[ranks], ranks, merges[:, 2].astype(np.int32))
    return [tokens[start:end].tolist() for start, end in zip(starts, ends)]


def test_worked_example():
    """aaabdaaabac: aa 4 times; then ab and Za twice, ab has the smaller ids; then ZY; then nothing twice."""
    merges, strings = learn({"aaabdaaabac": 1})
    assert merges == [(0, 0, 4), (0, 1, 5), (4, 5, 6)]
    assert strings[4:] == [b"aa", b"ab", b"aaab"]
    assert apply(["aaabdaaabac"], merges) == [[6, 3, 6, 0, 2]]


def test_counts_weigh():
    """ab once in a word seen 3 times, bc once in each of two words: ab comes first."""
    assert learn({"ab": 3, "bc": 1, "cbc": 1})[0][0] == (0, 1, 4)


def test_limit():
    merges, strings = learn({"aaabdaaabac": 1}, limit=5)
    assert merges == [(0, 0, 4)] and len(strings) == 5


@settings(max_examples=200)
@example({"ab" * 20: 1, "ba" * 20: 1})
@given(WORDS)
def test_learning_equals_its_definition(words):
    merges, strings = learn(words)
    assert merges == plain_learn(words)
    assert len(set(strings)) == len(strings)  # the same bytes are never reached in two ways


@settings(max_examples=200)
@given(WORDS, st.lists(st.text("abcd", max_size=30), min_size=1, max_size=8))
def test_applying_equals_its_definition(words, others):
    merges = learn(words)[0]
    assert apply(others, merges) == [plain_apply(arrays([word])[0].tolist(), merges) for word in others]


@settings(max_examples=200)
@example([(0, 1, 4), (1, 2, 5), (3, 3, 6), (2, 6, 7)], "abcdd")
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), unique_by=lambda merge: merge[:2]),
       st.text("abcd", max_size=30))
def test_applying_foreign_merges_equals_its_definition(merges, word):
    """A file may hold merges that no training gives, such as a later one that feeds an earlier one."""
    assert apply([word], merges) == [plain_apply(arrays([word])[0].tolist(), merges)]


@pytest.mark.parametrize("words", [[], ["", ""], ["", "ab", ""]])
def test_empty_words(words):
    assert apply(words, [(0, 1, 4)]) == [[4] if word else [] for word in words]
