"""Saving, loading, and what is said about a file that is none of ours."""
import copy
import json

import pytest

from tests.text.samples import TEXT
from tinyllm.text import (
    TOKENIZERS, BPETokenizer, CharTokenizer, TokenVocabulary, WordTokenizer, load_tokenizer, split_words,
    tokenizer_from_json)

CHAR = CharTokenizer.train("ab").data()
WORD = WordTokenizer.train("so it goes").data()
TOKEN = TokenVocabulary.train(["so it goes"]).data()
TYPES = f"type must be one of {', '.join(TOKENIZERS)}, featured, sentences"
BPE = BPETokenizer.train("abab", vocab_size=261).data()
DELETED = object()


def changed(data, *path, to):
    """A copy of data with one entry changed or deleted."""
    data = copy.deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    if to is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return data


def vocab(**entries):
    """A vocabulary with further or changed entries."""
    return changed(BPE, "model", "vocab", to={**BPE["model"]["vocab"], **entries})


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_save_and_load(kind, tmp_path):
    text = " ".join(split_words(TEXT)) if kind == "token" else TEXT
    tokenizer = TOKENIZERS[kind].train(text)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    for loaded in (load_tokenizer(path), load_tokenizer(str(path)), load_tokenizer(tokenizer.to_json()),
                   TOKENIZERS[kind].load(path), TOKENIZERS[kind].from_json(tokenizer.to_json())):
        assert type(loaded) is TOKENIZERS[kind]
        assert loaded.vocab_size == tokenizer.vocab_size
        assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()
        assert loaded.decode(loaded.encode(text)) == text
    assert loaded.to_json() == tokenizer.to_json()


def test_merges_may_be_written_as_text():
    """As the tokenizers library wrote them before version 0.20."""
    data = changed(BPE, "model", "merges", to=["a b"])
    assert load_tokenizer(json.dumps(data)).merges == BPETokenizer.from_data(BPE).merges


@pytest.mark.parametrize("data, message", [
    ([], "must hold a JSON object, got list"),
    ({}, TYPES + ", got nothing"),
    ({"type": "morse"}, TYPES + ", got 'morse'"),
    ({"type": "bpe"}, "model must be an object, got nothing"),
    ({"type": "bpe", "model": [1]}, "model must be an object, got \\[1\\]"),
    ({"type": ["char"]}, TYPES + ", got \\['char'\\]"),
    ({"model": {"type": "Unigram"}}, TYPES + ", got nothing"),
    (changed(CHAR, "format", to=2), "format must be 1, the newest this version knows, got 2"),
    (changed(CHAR, "special_tokens", to=["<s>"]), "special_tokens must be .*, got \\['<s>'\\]"),
    (changed(CHAR, "tokens", to=DELETED), "tokens must be a list of characters, got nothing"),
    (changed(WORD, "tokens", to="so"), "tokens must be a list of words, got 'so'"),
    (changed(CHAR, "tokens", 1, to=7), "tokens must be characters, got 7 at 1"),
    (changed(CHAR, "tokens", 1, to="bc"), "tokens must be characters, got 'bc' at 1"),
    (changed(CHAR, "tokens", 1, to=""), "tokens must be characters, got '' at 1"),
    (changed(CHAR, "tokens", 1, to="\ud800"), "tokens must be characters, got '\\\\ud800' at 1"),
    (changed(WORD, "tokens", 0, to="two words"), "tokens must be words, got 'two words' at 0"),
    (changed(CHAR, "tokens", 1, to="a"), "tokens must be distinct, got 'a' twice"),
    (changed(TOKEN, "format", to="1"), "format must be 1, the newest this version knows, got '1'"),
    (changed(TOKEN, "special_tokens", to=DELETED), "special_tokens must be .*, got nothing"),
    (changed(TOKEN, "tokens", to={}), "tokens must be a list of strings without spaces, got {}"),
    (changed(TOKEN, "tokens", 0, to="a b"), "tokens must be strings without spaces, got 'a b' at 0"),
    (changed(TOKEN, "tokens", 1, to="so\n"), r"tokens must be strings without spaces, got 'so\\n' at 1"),
    (changed(TOKEN, "tokens", 1, to=""), "tokens must be strings without spaces, got '' at 1"),
    (changed(TOKEN, "tokens", 1, to=[]), r"tokens must be strings without spaces, got \[\] at 1"),
    (changed(TOKEN, "tokens", 1, to="\udfff"), r"tokens must be strings without spaces, got '\\udfff' at 1"),
    (changed(TOKEN, "tokens", 1, to="goes"), "tokens must be distinct, got 'goes' twice"),
    (changed(BPE, "model", "vocab", to=DELETED), "model.vocab must be an object, token -> id, got nothing"),
    (changed(BPE, "model", "vocab", to=["a"]), "model.vocab must be an object, token -> id, got \\['a'\\]"),
    (vocab(ab=68), "ids of model.vocab must be distinct, got 68 for 'a' and 'ab'"),
    (vocab(ab=261), "ids of model.vocab must be 0..260, got 261 for 'ab'"),
    (vocab(ab="260"), "ids of model.vocab must be 0..260, got '260' for 'ab'"),
    (vocab(ab=True), "ids of model.vocab must be 0..260, got True for 'ab'"),
    (vocab(语=261), "model.vocab must be of byte characters, got '语'"),
    (changed(BPE, "model", "vocab", to={}), "model.vocab must begin with <pad>, <unk>, <bos>, <eos>, got"),
    (changed(BPE, "model", "vocab", to={"<pad>": 0, "<unk>": 1, "<bos>": 2, "<eos>": 3}),
     "model.vocab must have every byte character, got no"),
    (changed(BPE, "model", "merges", to=DELETED), "model.merges must be a list of pairs of tokens, got noth"),
    (changed(BPE, "model", "merges", to={}), "model.merges must be a list of pairs of tokens, got {}"),
    (changed(BPE, "model", "merges", 0, to="ab"), "model.merges\\[0\\] must be a pair of tokens, got 'ab'"),
    (changed(BPE, "model", "merges", 0, to=["a", 5]), "model.merges\\[0\\] must be a pair of tokens, got"),
    (changed(BPE, "model", "merges", 0, to=["a", "c"]),
     "model.merges\\[0\\] must be of tokens of model.vocab, got 'ac'"),
    (changed(BPE, "model", "merges", 0, to=["<pad>", "a"]),
     "model.merges\\[0\\] must be of tokens of model.vocab, got '<pad>'"),
    (changed(BPE, "model", "merges", to=[["a", "b"], ["a", "b"]]), "model.merges must be distinct, got"),
    (changed(BPE, "model", "byte_fallback", to=True), "model.byte_fallback must be false, got True"),
    (changed(BPE, "model", "dropout", to=0.1), "model.dropout must be null, got 0.1"),
    (changed(BPE, "pre_tokenizer", to=None), "pre_tokenizer must be ByteLevel .*, got nothing"),
    (changed(BPE, "pre_tokenizer", "add_prefix_space", to=True), "pre_tokenizer must be ByteLevel with add_"),
    (changed(BPE, "normalizer", to={"type": "NFC"}), "normalizer must be null, got {'type': 'NFC'}"),
    (changed(BPE, "added_tokens", to=[]), "added_tokens must be the special tokens of model.vocab, .*, got"),
    (changed(BPE, "added_tokens", 3, to=3), "added_tokens must be the special tokens of model.vocab"),
])
def test_what_is_wrong_with_a_file_is_named(data, message, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=f"tokenizer.json: tokenizer: {message}"):
        load_tokenizer(path)


@pytest.mark.parametrize("content, message", [
    (b"", r"tokenizer: not valid JSON \(Expecting value"),
    (b'{"type": "char"', r"tokenizer: not valid JSON \(Expecting ',' delimiter"),
    (b'{"type": "char", "type": "word"}', r"tokenizer: not valid JSON \(key 'type' stands twice"),
    (b"[" * 100_000, "tokenizer: JSON nested deeper than 32 levels"),
    (b'{"a":' + b"[" * 100_000, "tokenizer: JSON nested deeper than 32 levels"),
    (b'{"type": NaN}', r"tokenizer: not valid JSON \('NaN' is no finite number"),
    (b"1" * 5000, r"tokenizer: not valid JSON \(Exceeds the limit"),
    (b"[]", "tokenizer: must hold a JSON object, got list"),
    (b'{"type": "\xff"}', "tokenizer must be UTF-8, got byte 0xff at offset 10"),
])
def test_a_file_that_is_no_json_is_named(content, message, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"tokenizer.json: {message}"):
        load_tokenizer(path)


def test_a_tokenizer_of_another_type_is_named(tmp_path):
    path = tmp_path / "tokenizer.json"
    CharTokenizer.train("ab").save(path)
    with pytest.raises(ValueError, match="tokenizer.json: tokenizer: type must be 'word', got 'char'"):
        WordTokenizer.load(path)


def test_content_that_is_no_object_is_not_taken_for_a_path():
    with pytest.raises(ValueError, match="^tokenizer: must hold a JSON object, got list$"):
        tokenizer_from_json("[]")
    with pytest.raises(ValueError, match=r"^tokenizer: not valid JSON \(Expecting value"):
        tokenizer_from_json("")


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.json"):
        load_tokenizer(tmp_path / "nothing.json")
