"""A tokenizer with features of its tokens: one object, one file, and nothing in that file is trusted."""
import numpy as np
import pytest

from tinyllm.text import (
    BPETokenizer, CharTokenizer, FeaturedTokenizer, TokenFeatures, TokenVocabulary, WordTokenizer, split_words,
    tokenizer_from_json)

TEXT = "the red one is lovely , the blue one is awful\n"
WORDS = split_words(TEXT)


def featured(tokenizer, mode):
    tokens = FeaturedTokenizer(tokenizer, None).split(TEXT)
    return FeaturedTokenizer(tokenizer, TokenFeatures.train([tokens], mode, min_count=1))


@pytest.mark.parametrize("tokenizer, mode, tokens", [
    (TokenVocabulary.train([WORDS]), "word", WORDS),
    (WordTokenizer.train(TEXT), "word", WORDS),
    (CharTokenizer.train(TEXT), "char", list(TEXT))], ids=["token", "word", "char"])
def test_both_halves_of_one_text(tokenizer, mode, tokens):
    ours = featured(tokenizer, mode)
    assert ours.split(TEXT) == tokens and ours.vocab_size == tokenizer.vocab_size
    ids, features = ours.encode_tokens(tokens)
    np.testing.assert_array_equal(ids, tokenizer.encode_tokens(tokens))
    np.testing.assert_array_equal(features, ours.features.encode(tokens))
    assert len(ids) == len(features) == len(tokens) and features.max() == ours.num_features - 1
    np.testing.assert_array_equal(ours.encode(TEXT), ids)
    assert ours.decode(ids) == tokenizer.decode(ids)
    again = tokenizer_from_json(ours.to_json())
    assert type(again) is FeaturedTokenizer and again.to_json() == ours.to_json()
    np.testing.assert_array_equal(again.encode_tokens(tokens)[1], features)


def test_without_features():
    ours = FeaturedTokenizer(TokenVocabulary.train([WORDS]), None)
    ids, features = ours.encode_tokens(WORDS[:3])
    assert features is None and ours.num_features == 0 and len(ids) == 3
    assert tokenizer_from_json(ours.to_json()).features is None


@pytest.mark.parametrize("change, message", [
    ({"tokenizer": None}, "tokenizer: tokenizer must be an object, got nothing"),
    ({"features": 3}, "tokenizer: features must be an object, got 3"),
    ({"tokenizer": BPETokenizer.train("abab", vocab_size=261).data()},
     "tokenizer.type must be one of char, word, token, got 'bpe'"),
    ({"tokenizer": {"type": "featured"}}, "tokenizer.type must be one of char, word, token, got 'featured'"),
    ({"tokenizer": {"type": ["char"]}}, "tokenizer.type must be one of char, word, token, got"),
    ({"features": {"type": "features"}}, "must be"),
])
def test_a_file_that_is_wrong(change, message):
    data = {**featured(TokenVocabulary.train([WORDS]), "word").data(), **change}
    with pytest.raises(ValueError, match=message):
        FeaturedTokenizer.from_data(data)
