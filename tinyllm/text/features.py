"""What a token is besides itself, so that a word which training never saw is not blind.

Word mode: features of the word alone, of "Pre-war" for example

    lower       w=pre-war
    prefixes    p1=p  p2=pr  p3=pre  p4=pre-
    suffixes    s1=r  s2=ar  s3=war  s4=-war
    shape       h=Xx-x          X upper case, x lower case, d digit, z CJK, o other letters, the rest as is;
    long_shape  H=Xxx-xxx       runs of a class shortened to one character, and to four
    ngrams      n=^pr  n=pre  n=re-  ...  n=-war$       3 to 5 characters of ^pre-war$, each once

Char mode: for scripts without spaces, where a token is a character (a space too), of 天 in 冬 天 的

    left        l=冬 天          the token and the one before it; before the first stands nothing
    right       r=天 的
    around      a=冬 天 的
    class       c=z             the classes of its characters, p for punctuation and s for all others

A feature is a string whose beginning names its kind, so that kinds never meet. Training counts the features
of its tokens and keeps the most frequent; their numbers are rows of a table, and the model adds up the rows
of a token (ops/embedding_bag.py).
"""
import json
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import chain, groupby

import numpy as np
import regex

from tinyllm import checked_json
from tinyllm.checked_json import brief
from tinyllm.text.tokens import checked_sequences, checked_whole
from tinyllm.text.vocabulary import checked_text, checked_tokens, lone_surrogate
from tinyllm.text.word import CJK

PAD_FEATURE = -1  # an empty place, which embedding_bag leaves out
FORMAT = 1
AFFIXES = (1, 2, 3, 4)  # characters of prefixes and suffixes
NGRAMS = (3, 4, 5)
LONGEST = 32  # characters of a word that shapes and n-grams look at, so that no token makes a batch wide
CACHED = 1 << 17  # distinct words whose features are remembered
CLASSES = {"Lu": "X", "Lt": "X", "Ll": "x", "Nd": "d", "L": "o", "M": "o", "P": "p"}  # of Unicode categories
IS_CJK = regex.compile(f"[{CJK}]").match


@lru_cache(maxsize=1 << 14)
def character_class(character):
    """X upper case, x lower case, d digit, z CJK, o other letters and marks, p punctuation, s all others."""
    category = unicodedata.category(character)
    return "z" if IS_CJK(character) else CLASSES.get(category) or CLASSES.get(category[0], "s")


def shape(word, longest_run):
    """The classes of a word's characters, punctuation and the rest as they are, runs shortened."""
    classes = ((c, character_class(c)) for c in word[:LONGEST])
    runs = groupby(c if of_c in "ps" else of_c for c, of_c in classes)
    return "".join(of_run * min(len(list(run)), longest_run) for of_run, run in runs)


def _prefixes(word):
    low = word.lower()
    return [f"p{n}={low[:n]}" if n <= len(low) else None for n in AFFIXES]


def _suffixes(word):
    low = word.lower()
    return [f"s{n}={low[-n:]}" if n <= len(low) else None for n in AFFIXES]


def _ngrams(word):
    low = f"^{word.lower()}$"[:LONGEST + 2]
    return list(dict.fromkeys(f"n={low[i:i + n]}" for n in NGRAMS for i in range(len(low) - n + 1)))


@lru_cache(maxsize=1 << 14)
def _classes(token):
    return f"c={''.join(dict.fromkeys(map(character_class, token[:LONGEST])))}"


KINDS = {  # by mode: word -> its features, None where a place is empty; before, token, after -> one feature
    "word": {
        "lower": lambda word: [f"w={word.lower()}"],
        "prefixes": _prefixes,
        "suffixes": _suffixes,
        "shape": lambda word: [f"h={shape(word, 1)}"],
        "long_shape": lambda word: [f"H={shape(word, 4)}"],
        "ngrams": _ngrams},
    "char": {
        "left": lambda before, token, after: f"l={before} {token}",
        "right": lambda before, token, after: f"r={token} {after}",
        "around": lambda before, token, after: f"a={before} {token} {after}",
        "class": lambda before, token, after: _classes(token)}}
NAMES = {  # what stands before the = of a kind's features
    "lower": {"w"}, "prefixes": {f"p{n}" for n in AFFIXES}, "suffixes": {f"s{n}" for n in AFFIXES},
    "shape": {"h"}, "long_shape": {"H"}, "ngrams": {"n"},
    "left": {"l"}, "right": {"r"}, "around": {"a"}, "class": {"c"}}
USUAL = {"word": ("lower", "prefixes", "suffixes", "shape", "long_shape"), "char": ("left", "right", "class")}


class TokenFeatures:
    """The features that training kept, each with a number from 0.

    mode      "word" or "char"
    kinds     names of KINDS[mode]
    features  strings; the number of features[i] is i
    """

    def __init__(self, mode, kinds, features):
        self.mode, self.kinds = mode, checked_kinds("TokenFeatures", mode, kinds)
        self.features = tuple(features)
        self._id_of = {feature: i for i, feature in enumerate(self.features)}
        self._row = lru_cache(maxsize=CACHED)(self._row_of_word)

    @classmethod
    def train(cls, sequences, mode, min_count=2, max_features=200_000, kinds=None):
        """The features of the tokens in sequences (lists of str).

        min_count     how often a feature must occur to be kept
        max_features  how many are kept at most: the most frequent, ties in code point order
        kinds         names of KINDS[mode]; None: all but ngrams (word), left, right and class (char)

        Raises ValueError for a mode or a kind that is none, numbers below 1, no token and a lone surrogate;
        TypeError for what is no str.
        """
        kinds = checked_kinds("train", mode, kinds)
        least, most = checked_whole("min_count", min_count), checked_whole("max_features", max_features)
        sequences, counts = checked_sequences(sequences), Counter()
        if mode == "word":
            for word, count in Counter(chain.from_iterable(sequences)).items():
                for kind in kinds:
                    for feature in KINDS[mode][kind](word):
                        counts[feature] += count
            counts.pop(None, None)
        else:
            for tokens in sequences:
                for kind in kinds:
                    counts.update(map(KINDS[mode][kind], *_around(tokens)))
        kept = [checked_text("train", feature) for feature, count in counts.items() if count >= least]
        return cls(mode, kinds, sorted(kept, key=lambda feature: (-counts[feature], feature))[:most])

    @property
    def num_features(self):
        return len(self.features)

    @property
    def naming(self):
        """How many places of a row, the first ones, hold features that name the whole token: an unseen one has none."""
        return len([kind for kind in self.kinds if kind in ("lower", "left", "right", "around")])

    def encode(self, tokens):
        """int32 (T, K): the numbers of each token's features, PAD_FEATURE where there is none that was kept.

        K is the same for every sequence; but with n-grams it is what the token with most of them needs.
        """
        tokens = checked_tokens("encode", tokens)
        if self.mode == "char":
            ids, id_of = np.empty((len(tokens), len(self.kinds)), np.int32), self._id_of.get
            for k, kind in enumerate(self.kinds):
                features = map(KINDS["char"][kind], *_around(tokens))
                ids[:, k] = [id_of(feature, PAD_FEATURE) for feature in features]
            return ids
        rows = [self._row(word) for word in tokens]
        ids = np.full((len(rows), max([1, len(self._row("")), *map(len, rows)])), PAD_FEATURE, np.int32)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = row
        return ids

    def _row_of_word(self, word):
        """Its features' numbers, one place for each feature of a word, but of the n-grams only those kept."""
        row = []
        for kind in self.kinds:
            ids = [self._id_of.get(feature, PAD_FEATURE) for feature in KINDS["word"][kind](word)]
            row += ids if kind != "ngrams" else [id for id in ids if id != PAD_FEATURE]
        return np.array(row, np.int32)

    def data(self):
        """All of it as a dict for a JSON file."""
        return {"type": "features", "format": FORMAT, "mode": self.mode, "kinds": list(self.kinds),
                "features": list(self.features)}

    @classmethod
    def from_data(cls, data):
        """The features of a parsed file.  Raises ValueError that names what is wrong with it."""
        if not isinstance(data, dict) or data.get("type") != "features":
            got = data.get("type") if isinstance(data, dict) else data
            raise ValueError(f"features: type must be 'features', got {brief(got)}")
        if data.get("format") != FORMAT:
            raise ValueError(f"features: format must be {FORMAT}, the newest this version knows, "
                             f"got {brief(data.get('format'))}")
        if not isinstance(data.get("kinds"), list):
            raise ValueError(f"features: kinds must be a list, got {brief(data.get('kinds'))}")
        kinds = checked_kinds("features", data.get("mode"), data["kinds"])
        features, names, seen = data.get("features"), set().union(*(NAMES[kind] for kind in kinds)), set()
        if not isinstance(features, list):
            raise ValueError(f"features: features must be a list of strings, got {brief(features)}")
        for i, feature in enumerate(features):
            name, equals, _ = feature.partition("=") if isinstance(feature, str) else ("", "", "")
            if name not in names or not equals or lone_surrogate(feature) >= 0:
                raise ValueError(f"features: features must be strings of the kinds {', '.join(kinds)}, "
                                 f"got {brief(feature)} at {i}")
            if feature in seen:
                raise ValueError(f"features: features must be distinct, got {brief(feature)} twice")
            seen.add(feature)
        return cls(data["mode"], kinds, features)

    def to_json(self):
        """The features as JSON text, which from_json reads."""
        return json.dumps(self.data(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text):
        """The features of to_json's text.  Raises ValueError that names what is wrong with it."""
        return cls.from_data(checked_json.parse(text.encode("utf-8", "surrogatepass"), "features"))


def pad_features(arrays, B, T):
    """int32 (B, T, K): arrays (t, k) one to a row, filled up with PAD_FEATURE; K is the largest k.

    Raises ValueError for more than B arrays and for an array of more than T tokens.
    """
    longest = max(map(len, arrays), default=0)
    if len(arrays) > B or longest > T:
        raise ValueError(f"pad_features: arrays must be at most B = {B} of at most T = {T} tokens, "
                         f"got {len(arrays)}, the longest of {longest}")
    padded = np.full((B, T, max((array.shape[1] for array in arrays), default=1)), PAD_FEATURE, np.int32)
    for row, array in zip(padded, arrays):
        row[:array.shape[0], :array.shape[1]] = array
    return padded


def _around(tokens):
    """Three lists: the token before each token, the token, the token after it; "" where there is none."""
    return ["", *tokens[:-1]][:len(tokens)], tokens, [*tokens[1:], ""][:len(tokens)]


def checked_kinds(function, mode, kinds):
    """The kinds as a tuple in the order of KINDS; None for the usual ones; ValueError for what is none."""
    if not isinstance(mode, str) or mode not in KINDS:
        raise ValueError(f"{function}: mode must be one of {', '.join(KINDS)}, got {brief(mode)}")
    known, kinds = KINDS[mode], list(USUAL[mode] if kinds is None else kinds)
    wrong = [kind for kind in kinds if not isinstance(kind, str) or kind not in known]
    if wrong or not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(f"{function}: kinds must be distinct names of {', '.join(known)}, "
                         f"got {brief(wrong[0] if wrong else kinds)}")
    return tuple(kind for kind in known if kind in kinds)
