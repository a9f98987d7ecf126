import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.samples import ROUND_TRIPS, TEXT
from tinyllm.text import UNK, CharTokenizer


def test_worked_example():
    """b stands three times in "abcbb", a and c once: b is first, a and c go by code point."""
    tokenizer = CharTokenizer.train("abcbb")
    assert tokenizer.tokens == ("b", "a", "c")
    assert tokenizer.vocab_size == 7
    ids = tokenizer.encode("cab")
    assert ids.tolist() == [6, 5, 4] and ids.dtype == np.int32


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_round_trip(text):
    assert (tokenizer := CharTokenizer.train(text + "x")).decode(tokenizer.encode(text)) == text


@given(text=st.text(), other=st.text())
def test_known_characters_come_back_and_others_are_named(text, other):
    tokenizer = CharTokenizer.train(text + "x")
    ids = tokenizer.encode(other)
    assert len(ids) == len(other)
    known = "".join(c for c in other if c in text + "x")
    assert tokenizer.decode(ids) == known
    assert tokenizer.unknown(other) == list(dict.fromkeys(c for c in other if c not in known))
    assert (ids == UNK).sum() == len(other) - len(known)


def test_several_texts_are_counted_together():
    assert CharTokenizer.train(["ab", "", "bc"]).tokens == ("b", "a", "c")


def test_smaller_vocabulary_keeps_the_most_frequent():
    tokenizer = CharTokenizer.train("abcbb", vocab_size=6)
    assert tokenizer.tokens == ("b", "a")
    assert tokenizer.encode("abc").tolist() == [5, 4, UNK]


def test_special_tokens_are_skipped_and_their_names_are_text():
    tokenizer = CharTokenizer.train("<eos>")
    assert tokenizer.decode([2, 4, 0, 1, 3, 4]) == tokenizer.tokens[0] * 2
    assert (tokenizer.encode("<eos>") >= 4).all()


def test_a_lone_surrogate_is_an_unknown_character():
    tokenizer = CharTokenizer.train(TEXT)
    assert tokenizer.encode("a\ud800").tolist() == [tokenizer.encode("a")[0], UNK]
    assert tokenizer.unknown("a\ud800") == ["\ud800"]


def test_decoder_gives_each_character():
    tokenizer = CharTokenizer.train(TEXT)
    decoder = tokenizer.decoder()
    assert [decoder.feed(id) for id in [2, *tokenizer.encode("语😀"), 3]] == ["", "语", "😀", ""]
    assert decoder.finish() == ""


@pytest.mark.parametrize("call, error, message", [
    (lambda: CharTokenizer.train(""), ValueError, "^train: text must have at least one character, got none$"),
    (lambda: CharTokenizer.train([]), ValueError, "^train: text must have at least one character, got none$"),
    (lambda: CharTokenizer.train("ab\udfff"), ValueError,
     r"^train: text must have no lone surrogate, got U\+DFFF at position 2$"),
    (lambda: CharTokenizer.train(b"ab"), TypeError, r"^train: text must be a str, got int$"),
    (lambda: CharTokenizer.train("ab", vocab_size=7), ValueError,
     r"^vocab_size must be 5..6 \(4 special tokens and the 2 distinct characters of the text\), got"),
    (lambda: CharTokenizer.train("ab", vocab_size=4), ValueError, r"vocab_size must be 5..6 .*, got 4$"),
    (lambda: CharTokenizer.train("ab", vocab_size=5.0), ValueError,
     r"^vocab_size must be an integer, got 5.0$"),
    (lambda: CharTokenizer.train("ab").encode(b"ab"), TypeError, r"^encode: text must be a str, got bytes$"),
    (lambda: CharTokenizer.train("ab").decode([4, 6]), ValueError, r"^decode: ids must be in 0..5, got 6$"),
    (lambda: CharTokenizer.train("ab").decode([-1]), ValueError, r"^decode: ids must be in 0..5, got -1$"),
    (lambda: CharTokenizer.train("ab").decode([4.0]), ValueError,
     r"^decode: ids must be integers \(N,\), got float64 of shape \(1,\)$"),
    (lambda: CharTokenizer.train("ab").decode([[4]]), ValueError, r"got int64 of shape \(1, 1\)$"),
    (lambda: CharTokenizer.train("ab").decoder().feed(6), ValueError, r"^feed: id must be in 0..5, got 6$"),
])
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
