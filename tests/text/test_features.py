import copy
import json

import numpy as np
import pytest

from tinyllm.ops.embedding_bag import PAD_FEATURE as LEFT_OUT
from tinyllm.text import PAD_FEATURE, TokenFeatures, pad_features
from tinyllm.text.features import KINDS, shape

ALL = list(KINDS["word"])
SENTENCES = [["Pre-war", "ties", "."], ["Pre-war", "tied"], ["pre", "."]]
CHINESE = [list("冬天的天"), list("冬天，3G")]


def said(features, tokens):
    """The features of each token as strings, without the places that are empty."""
    rows = features.encode(tokens).tolist()
    return [[features.features[i] for i in row if i != PAD_FEATURE] for row in rows]


def all_of(tokens, mode, kinds=None):
    return said(TokenFeatures.train([tokens], mode, min_count=1, kinds=kinds), tokens)


def test_worked_example_of_a_word():
    assert all_of(["Pre-war"], "word", ALL) == [[
        "w=pre-war", "p1=p", "p2=pr", "p3=pre", "p4=pre-", "s1=r", "s2=ar", "s3=war", "s4=-war", "h=Xx-x",
        "H=Xxx-xxx",
        "n=^pr", "n=pre", "n=re-", "n=e-w", "n=-wa", "n=war", "n=ar$",
        "n=^pre", "n=pre-", "n=re-w", "n=e-wa", "n=-war", "n=war$",
        "n=^pre-", "n=pre-w", "n=re-wa", "n=e-war", "n=-war$"]]


def test_a_short_word_has_no_longer_prefixes_and_each_ngram_once():
    assert all_of(["no"], "word") == [["w=no", "p1=n", "p2=no", "s1=o", "s2=no", "h=x", "H=xx"]]
    assert all_of(["aaaa"], "word", ["ngrams"]) == [[
        "n=^aa", "n=aaa", "n=aa$", "n=^aaa", "n=aaaa", "n=aaa$", "n=^aaaa", "n=aaaa$"]]


@pytest.mark.parametrize("word, short, long", [
    ("NATO", "X", "XXXX"), ("McDonald's", "XxXx'x", "XxXxxxx'x"), ("1990-91", "d-d", "dddd-dd"),
    ("1,000,000", "d,d,d", "d,ddd,ddd"), ("北京2008", "zd", "zzdddd"), ("हिन्दी", "o", "oooo"),
    ("...", ".", "..."), ("Ünal", "Xx", "Xxxx"), ("@user_1", "@x_d", "@xxxx_d"), ("p+s", "x+x", "x+x"),
    ("", "", ""),
])
def test_shapes(word, short, long):
    assert (shape(word, 1), shape(word, 4)) == (short, long)


def test_worked_example_of_characters():
    assert all_of(list("冬天的"), "char") == [
        ["l= 冬", "r=冬 天", "c=z"], ["l=冬 天", "r=天 的", "c=z"], ["l=天 的", "r=的 ", "c=z"]]
    assert all_of(list("冬天"), "char", ["around"]) == [["a= 冬 天"], ["a=冬 天 "]]


def test_classes_of_tokens_among_characters():
    tokens = ["天", "。", "3", "GRU", "iPhone4", "+", "ア"]
    assert all_of(tokens, "char", ["class"]) == [[f"c={of}"] for of in ("z", "p", "d", "X", "xXd", "s", "z")]


def test_neighbours_of_several_characters_are_kept_apart():
    assert all_of(["ab", "c", "a", "bc"], "char", ["left"]) == [
        ["l= ab"], ["l=ab c"], ["l=c a"], ["l=a bc"]]


def test_a_space_can_be_a_token_among_characters():
    assert all_of(list("a b"), "char") == [
        ["l= a", "r=a  ", "c=x"], ["l=a  ", "r=  b", "c=s"], ["l=  b", "r=b ", "c=x"]]


def test_counts_are_of_occurrences_and_ties_go_by_code_point():
    features = TokenFeatures.train(SENTENCES, "word", min_count=3, kinds=["lower", "prefixes"])
    assert features.features == ("p1=p", "p2=pr", "p3=pre")
    features = TokenFeatures.train(SENTENCES, "word", min_count=2, kinds=["lower", "prefixes"])
    assert features.features == (
        "p1=p", "p2=pr", "p3=pre", "p1=.", "p1=t", "p2=ti", "p3=tie", "p4=pre-", "w=.", "w=pre-war")
    assert TokenFeatures.train(SENTENCES, "word", max_features=4, kinds=["lower", "prefixes"]).features == (
        features.features[:4])
    features = TokenFeatures.train(CHINESE, "char", min_count=2)
    assert features.features == ("c=z", "l= 冬", "l=冬 天", "r=冬 天")


def test_the_order_of_sequences_and_kinds_does_not_matter():
    one = TokenFeatures.train(SENTENCES, "word", min_count=1, kinds=ALL)
    other = TokenFeatures.train(SENTENCES[::-1], "word", min_count=1, kinds=ALL[::-1])
    assert one.data() == other.data()


def test_an_unseen_word_has_the_features_that_training_saw():
    features = TokenFeatures.train(SENTENCES, "word")
    assert said(features, ["Pre-tie"]) == [["p1=p", "p2=pr", "p3=pre", "p4=pre-", "h=Xx-x", "H=Xxx-xxx"]]
    assert said(features, ["日本"]) == [[]]


@pytest.mark.parametrize("mode, kinds, sequences", [
    ("word", None, SENTENCES), ("word", ["shape", "suffixes"], SENTENCES), ("word", ALL, SENTENCES),
    ("char", None, CHINESE), ("char", ["around", "left"], CHINESE)])
def test_a_place_for_each_feature(mode, kinds, sequences):
    features = TokenFeatures.train(sequences, mode, kinds=kinds)
    arrays = [features.encode(tokens) for tokens in [*sequences, [], ["不"]]]
    assert all(array.dtype == np.int32 and array.ndim == 2 for array in arrays)
    assert [len(array) for array in arrays] == [*map(len, sequences), 0, 1]
    assert all(PAD_FEATURE <= array.min(initial=0) and array.max(initial=0) < features.num_features
               for array in arrays)
    if kinds != ALL:
        assert len({array.shape[1] for array in arrays}) == 1
    again = [features.encode(tokens) for tokens in sequences]  # from what is remembered by now
    assert all((a == b).all() for a, b in zip(arrays, again, strict=False))


def test_a_very_long_token_does_not_make_a_batch_wide():
    word = "".join(chr(0x4e00 + i) for i in range(10_000))
    features = TokenFeatures.train([[word]], "word", min_count=1, kinds=ALL)
    assert features.encode([word]).shape[1] < 110
    none = TokenFeatures.train([["no"]], "word", kinds=["ngrams"])
    assert none.num_features == 0 and none.encode([word]).tolist() == [[PAD_FEATURE]]


def test_pad_features():
    arrays = [np.array([[0, 1], [2, PAD_FEATURE]], np.int32), np.array([[3, 4, 5]], np.int32)]
    padded = pad_features(arrays, 3, 2)
    assert padded.dtype == np.int32
    assert padded.tolist() == [
        [[0, 1, -1], [2, -1, -1]], [[3, 4, 5], [-1, -1, -1]], [[-1, -1, -1], [-1, -1, -1]]]
    assert pad_features([], 1, 2).tolist() == [[[-1], [-1]]]
    for B, T in (1, 2), (2, 1):
        with pytest.raises(ValueError, match=f"^pad_features: arrays must be at most B = {B} of at most T = "
                                             f"{T} tokens, got 2, the longest of 2$"):
            pad_features(arrays, B, T)


def test_an_empty_place_is_what_the_op_leaves_out():
    assert PAD_FEATURE == LEFT_OUT


@pytest.mark.parametrize("mode, kinds, sequences", [
    ("word", None, SENTENCES), ("word", ALL, SENTENCES), ("char", None, CHINESE),
    ("char", ["around"], CHINESE)])
def test_to_json_and_back(mode, kinds, sequences):
    features = TokenFeatures.train(sequences, mode, min_count=1, kinds=kinds)
    loaded = TokenFeatures.from_json(features.to_json())
    assert loaded.data() == features.data() == json.loads(features.to_json())
    assert loaded.num_features == features.num_features == len(features.features)
    for tokens in sequences:
        assert loaded.encode(tokens).tolist() == features.encode(tokens).tolist()


DATA = TokenFeatures.train(SENTENCES, "word").data()


@pytest.mark.parametrize("entry, value, message", [
    ("type", "char", "type must be 'features', got 'char'"),
    ("type", None, "type must be 'features', got nothing"),
    ("format", 2, "format must be 1, the newest this version knows, got 2"),
    ("mode", "byte", "mode must be one of word, char, got 'byte'"),
    ("mode", ["word"], r"mode must be one of word, char, got \['word'\]"),
    ("mode", "char", "kinds must be distinct names of left, right, around, class, got 'lower'"),
    ("kinds", None, "kinds must be a list, got nothing"),
    ("kinds", "lower", "kinds must be a list, got 'lower'"),
    ("kinds", [], r"kinds must be distinct names of lower, .*, got \[\]"),
    ("kinds", [["lower"]], r"kinds must be distinct names of lower, .*, got \['lower'\]"),
    ("kinds", ["lower", "lower"], r"kinds must be distinct names of lower, .*, got \['lower', 'lower'\]"),
    ("kinds", ["shape"], "features must be strings of the kinds shape, got 'p1=p' at 1"),
    ("features", None, "features must be a list of strings, got nothing"),
    ("features", "w=a", "features must be a list of strings, got 'w=a'"),
    ("features", ["w=a", 7], "features must be strings of the kinds lower, .*, got 7 at 1"),
    ("features", ["w"], "features must be strings of the kinds lower, .*, got 'w' at 0"),
    ("features", ["q=a"], "features must be strings of the kinds lower, .*, got 'q=a' at 0"),
    ("features", ["w=\ud800"], r"features must be strings of the kinds .*, got 'w=\\ud800' at 0"),
    ("features", ["w=a", "w=b", "w=a"], "features must be distinct, got 'w=a' twice"),
])
def test_what_is_wrong_with_a_file_is_named(entry, value, message):
    data = {**copy.deepcopy(DATA), entry: value}
    with pytest.raises(ValueError, match=f"^features: {message}"):
        TokenFeatures.from_json(json.dumps(data))


@pytest.mark.parametrize("content, message", [
    ("", r"^features: not valid JSON \(Expecting value"),
    ("[" * 100_000, "^features: JSON nested deeper than 32 levels$"),
    ("[]", "^features: must hold a JSON object, got list$"),
])
def test_a_file_that_is_no_object_is_named(content, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures.from_json(content)


def test_data_that_is_no_object_is_named():
    with pytest.raises(ValueError, match=r"^features: type must be 'features', got \[1\]$"):
        TokenFeatures.from_data([1])


@pytest.mark.parametrize("options, message", [
    ({"mode": "words"}, "^train: mode must be one of word, char, got 'words'$"),
    ({"kinds": ["left"]}, "^train: kinds must be distinct names of lower, .*, got 'left'$"),
    ({"kinds": []}, r"^train: kinds must be distinct names of lower, .*, got \[\]$"),
    ({"min_count": 0}, "^train: min_count must be a whole number from 1, got 0$"),
    ({"max_features": 1e5}, "^train: max_features must be a whole number from 1, got 100000.0$"),
    ({"sequences": [[]]}, "^train: sequences must have at least one token, got none$"),
    ({"sequences": [["a\ud800"] * 2]}, r"^train: text must have no lone surrogate, got U\+D800 at position"),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures.train(**{"sequences": SENTENCES, "mode": "word", **options})


def test_a_text_in_place_of_tokens_is_named():
    with pytest.raises(TypeError, match="^train: tokens must be a list of str, got one str$"):
        TokenFeatures.train(["so it goes"], "word")
    with pytest.raises(TypeError, match="^encode: tokens must be a list of str, got one str$"):
        TokenFeatures.train(SENTENCES, "word").encode("so it goes")
    with pytest.raises(TypeError, match="^encode: tokens must be str, got int$"):
        TokenFeatures.train(SENTENCES, "word").encode([1])
