import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.samples import ROUND_TRIPS, TEXT
from tinyllm.text import UNK, WordTokenizer


def words(text):
    """The tokens that text is split into."""
    tokenizer = WordTokenizer.train(text)
    return [tokenizer.decode([id]) for id in tokenizer.encode(text)]


@pytest.mark.parametrize("text, expected", [
    ("We can't 学习, sir.\n", ["We", " can't", " 学", "习", ",", " sir", ".", "\n"]),
    ("I don’t", ["I", " don’t"]),
    ("（语言）。", ["（", "语", "言", "）", "。"]),
    ("a  b\tc", ["a", " ", " b", "\t", "c"]),
    ("'twas the dogs' ...", ["'", "twas", " the", " dogs", "'", " .", ".", "."]),
    ("in 1984, x_1 = 3.5", ["in", " 1984", ",", " x_1", " =", " 3", ".", "5"]),
    ("カタカナ ひら 한국어 हिन्दी", [*"カタカナ", " ひ", "ら", " 한국어", " हिन्दी"]),
])
def test_worked_examples(text, expected):
    assert words(text) == expected


def test_ids_go_by_frequency_then_code_point():
    tokenizer = WordTokenizer.train("b a b c")
    assert tokenizer.tokens == (" a", " b", " c", "b")
    ids = tokenizer.encode("b c d")
    assert ids.tolist() == [7, 6, UNK] and ids.dtype == np.int32


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_round_trip(text):
    assert (tokenizer := WordTokenizer.train(text + " x")).decode(tokenizer.encode(text)) == text


@given(st.text())
def test_round_trip_of_any_text(text):
    tokenizer = WordTokenizer.train(text + " x")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_smaller_vocabulary_keeps_the_most_frequent_and_names_the_rest():
    tokenizer = WordTokenizer.train("so so so it it goes\n", vocab_size=6)
    assert tokenizer.tokens == (" it", " so")
    assert tokenizer.unknown("so it went it went") == ["so", " went"]
    assert tokenizer.decode(tokenizer.encode("so it went so")) == " it so"


def test_words_without_a_limit_are_all_known():
    assert WordTokenizer.train(TEXT).unknown(TEXT) == []


def test_decoder_gives_each_word():
    tokenizer = WordTokenizer.train(TEXT)
    decoder = tokenizer.decoder()
    assert [decoder.feed(id) for id in [2, *tokenizer.encode("A model\n语")]] == ["", "A", " model", "\n", "语"]
    assert decoder.finish() == ""


def test_too_large_a_vocabulary_is_named():
    with pytest.raises(ValueError, match=r"^vocab_size must be 5..6 \(4 special tokens and the 2 "
                                         r"distinct words of the text\), got 100$"):
        WordTokenizer.train("so so", vocab_size=100)
