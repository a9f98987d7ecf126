import numpy as np
import pytest

from tests.text.samples import TEXT
from tinyllm.text import UNK, CharTokenizer, TokenVocabulary, WordTokenizer, load_tokenizer, split_words

SENTENCES = [["We", "ca", "n't", "go", "."], [], ["We", "can", "go", "."]]


@pytest.mark.parametrize("text, expected", [
    ("We can't 学习, sir.\n", ["We", "can't", "学", "习", ",", "sir", "."]),
    ("  two  spaces\t\tand\x85breaks\u2028\u3000 ", ["two", "spaces", "and", "breaks"]),
    ("in 1984, x_1 = 3.5", ["in", "1984", ",", "x_1", "=", "3", ".", "5"]),
    ("", []),
    (" \n\t\x1c", []),
])
def test_split_words(text, expected):
    assert split_words(text) == expected


def test_split_words_loses_nothing_but_white_space():
    assert "".join(split_words(TEXT)) == "".join(TEXT.split())


def test_ids_go_by_frequency_then_code_point():
    vocabulary = TokenVocabulary.train(SENTENCES)
    assert vocabulary.tokens == (".", "We", "go", "ca", "can", "n't")
    ids = vocabulary.encode(["n't", "n", "We"])
    assert ids.tolist() == [9, UNK, 5] and ids.dtype == np.int32
    assert vocabulary.encode_tokens(("n't", "n", "We")).tolist() == ids.tolist()
    assert vocabulary.encode([]).dtype == np.int32


def test_rare_tokens_are_unknown():
    vocabulary = TokenVocabulary.train(SENTENCES, min_count=2)
    assert vocabulary.tokens == (".", "We", "go")
    assert TokenVocabulary.train(SENTENCES, min_count=2, vocab_size=6).tokens == (".", "We")
    assert vocabulary.unknown(["We", "ca", "n't", "ca"]) == ["ca", "n't"]


def test_a_text_is_split_where_tokens_are_expected():
    vocabulary = TokenVocabulary.train(["We go.", "We can"])
    assert vocabulary.tokens == TokenVocabulary.train([["We", "go", "."], ["We", "can"]]).tokens
    assert vocabulary.encode("We go!").tolist() == vocabulary.encode(["We", "go", "!"]).tolist()
    assert vocabulary.unknown("We go! ") == ["!"]
    assert vocabulary.split("We go!") == ["We", "go", "!"]


def test_decode_puts_single_spaces_between_tokens():
    vocabulary = TokenVocabulary.train(SENTENCES)
    ids = [2, *vocabulary.encode(SENTENCES[0]), 0, 0, *vocabulary.encode(["go"]), 3]
    assert vocabulary.decode(ids) == "We ca n't go . go"
    decoder = vocabulary.decoder()
    assert "".join(decoder.feed(id) for id in ids) + decoder.finish() == "We ca n't go . go"
    with pytest.raises(ValueError, match="^decode: ids must be in 0..9, got 10$"):
        vocabulary.decode([10])


def test_any_string_that_no_file_would_cut_is_a_token(tmp_path):
    tokens = ["U.S.", "n't", "<pad>", "深度学习", "a\u00a0b", "\u3000", "\x85", "\u2028", "😀", "é", "a\x00", "="]
    vocabulary = TokenVocabulary.train([tokens])
    vocabulary.save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert loaded.encode(tokens).tolist() == vocabulary.encode(tokens).tolist()
    assert sorted(loaded.encode(tokens)) == list(range(4, 16))


@pytest.mark.parametrize("token", ["", " ", "two words", "a\tO", "a\n", "\r", "\ud800"])
def test_what_is_no_token_is_named(token):
    with pytest.raises(ValueError, match="^train: tokens must be strings without spaces, .*, got '"):
        TokenVocabulary.train([["a"], ["b", token]])


@pytest.mark.parametrize("options, message", [
    ({"sequences": []}, "^train: sequences must have at least one token, got none$"),
    ({"sequences": [[], " "]}, "^train: sequences must have at least one token, got none$"),
    ({"min_count": 0}, "^train: min_count must be a whole number from 1, got 0$"),
    ({"min_count": 1.5}, "^train: min_count must be a whole number from 1, got 1.5$"),
    ({"vocab_size": 11}, r"^vocab_size must be 5..10 \(4 special tokens and the 6 distinct tokens"),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TokenVocabulary.train(**{"sequences": SENTENCES, **options})


def test_what_is_no_list_of_strings_is_named():
    with pytest.raises(TypeError, match="^train: tokens must be str, got int$"):
        TokenVocabulary.train([["a", 1]])
    vocabulary = TokenVocabulary.train(SENTENCES)
    with pytest.raises(TypeError, match="^encode_tokens: tokens must be a list of str, got one str$"):
        vocabulary.encode_tokens("We")
    with pytest.raises(TypeError, match="^encode_tokens: tokens must be str, got NoneType$"):
        vocabulary.encode([None])
    with pytest.raises(TypeError, match="^unknown: tokens must be str, got bytes$"):
        vocabulary.unknown([b"We"])


def test_other_tokenizers_take_tokens_too():
    characters = CharTokenizer.train("ab")
    assert characters.encode_tokens(["b", "ab", "a"]).tolist() == [5, UNK, 4]
    assert WordTokenizer.train("月亮").encode_tokens(["月", "亮"]).tolist() == [5, 4]


def test_words_are_taken_with_or_without_space_as_was_more_frequent():
    words = WordTokenizer.train("so, it goes, so it goes\nso , on")
    space_it, comma, so, space_goes = words.encode(" it,so goes")
    assert words.encode_tokens(["it", ",", "so", "goes", "!"]).tolist() == [space_it, comma, so, space_goes, UNK]
