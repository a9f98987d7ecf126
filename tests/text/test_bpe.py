import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.samples import ROUND_TRIPS, TEXT
from tinyllm.text import SPECIAL_TOKENS, BPETokenizer, load_tokenizer

TRAINED = BPETokenizer.train(TEXT, vocab_size=400)
BYTES = BPETokenizer.train(TEXT, vocab_size=260)


def library():
    """The tokenizers module; a test without it is skipped."""
    return pytest.importorskip("tokenizers")


def random_strings(rng, n):
    """n strings: in turn up to 30 characters of any kind, and two pieces of TEXT, where merges happen.

    Any kind: that Unicode 3.2 knew, since the Unicode tables of the two sides need not be equally new.
    """
    known = [c for c in map(chr, range(0x110000)) if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs")]
    strings = []
    for start, length, *picks in rng.integers(0, len(known), (n, 32)).tolist():
        piece = TEXT[start % len(TEXT):][:length % 31]
        strings.append(piece + TEXT[length % len(TEXT):][:start % 31] if len(strings) % 2 else
                       "".join([known[i] for i in picks[:length % 31]]))
    return strings


def test_worked_example():
    """aaabdaaabac: Z = aa, Y = ab, X = ZY gives XdXac, and then no pair occurs twice.

    A visible ASCII byte has the id 4 + byte - 33, so a, b, c, d are 68 to 71; Z, Y, X are 260, 261, 262.
    """
    tokenizer = BPETokenizer.train("aaabdaaabac", vocab_size=263)
    assert tokenizer.merges == [(68, 68, 260), (68, 69, 261), (260, 261, 262)]
    ids = tokenizer.encode("aaabdaaabac")
    assert ids.tolist() == [262, 71, 262, 68, 70] and ids.dtype == np.int32
    with pytest.raises(ValueError, match=r"^vocab_size must be 260..263 \(no pair of this text occurs "
                                         r"twice then\), got 264$"):
        BPETokenizer.train("aaabdaaabac", vocab_size=264)


@pytest.mark.parametrize("tokenizer", [TRAINED, BYTES], ids=["trained", "bytes"])
@pytest.mark.parametrize("text", ROUND_TRIPS + [TEXT])
def test_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text())
def test_round_trip_of_any_text(text):
    assert TRAINED.decode(TRAINED.encode(text)) == text
    assert TRAINED.unknown(text) == []


def test_training_shortens_the_text():
    assert len(TRAINED.encode(TEXT)) < len(BYTES.encode(TEXT)) / 2
    assert len(BYTES.encode(TEXT)) == len(TEXT.encode("utf-8"))


def test_the_default_vocabulary_is_what_a_small_text_supports():
    assert BPETokenizer.train("aaabdaaabac").vocab_size == 263


def test_several_texts_are_counted_together():
    """No pair reaches from one text into the next."""
    assert BPETokenizer.train(["ab"] * 3).strings[260:] == [b"ab"]
    assert BPETokenizer.train("ab" * 3).strings[260:] == [b"ab", b"abab"]


def test_the_words_encoded_before_do_not_matter():
    fresh = BPETokenizer(TRAINED.strings, TRAINED.merges)
    fresh._cache = {str(i): [] for i in range(1 << 17)}  # a full one, which is given up
    np.testing.assert_array_equal(fresh.encode("12 words"), TRAINED.encode("12 words"))


def test_encoding_equals_the_library(rng):
    """PROMISES 5: ten thousand random Unicode strings."""
    theirs = library().Tokenizer.from_str(TRAINED.to_json())
    texts = random_strings(rng, 10_000) + ROUND_TRIPS[:14] + ROUND_TRIPS[16:]
    for text, encoding in zip(texts, theirs.encode_batch(texts), strict=True):
        assert TRAINED.encode(text).tolist() == encoding.ids, text


def test_training_equals_the_library():
    tokenizers = library()
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.train_from_iterator([TEXT], tokenizers.trainers.BpeTrainer(
        vocab_size=400, min_frequency=2, special_tokens=list(SPECIAL_TOKENS), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    loaded = load_tokenizer(theirs.to_str())
    assert loaded.merges == TRAINED.merges
    assert loaded.strings == TRAINED.strings


def test_the_library_reads_the_file(tmp_path, rng):
    TRAINED.save(tmp_path / "tokenizer.json")
    theirs = library().Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.get_vocab_size() == TRAINED.vocab_size
    assert [theirs.token_to_id(name) for name in SPECIAL_TOKENS] == [0, 1, 2, 3]
    ids = rng.integers(0, TRAINED.vocab_size, 2000)
    assert theirs.decode(ids.tolist(), skip_special_tokens=True) == TRAINED.decode(ids)
    again = load_tokenizer(theirs.to_str())
    assert (again.strings, again.merges) == (TRAINED.strings, TRAINED.merges)


def test_the_name_of_a_special_token_is_text():
    """Here always; in the library only when it is told so."""
    text = "a<eos>b"
    assert 3 not in TRAINED.encode(text)
    theirs = library().Tokenizer.from_str(TRAINED.to_json())
    assert 3 in theirs.encode(text).ids
    theirs.encode_special_tokens = True
    assert theirs.encode(text).ids == TRAINED.encode(text).tolist()


@pytest.mark.parametrize("tokenizer", [TRAINED, BYTES], ids=["trained", "bytes"])
def test_streaming_gives_whole_characters_only(tokenizer):
    text = "语言 model 😀é"
    decoder = tokenizer.decoder()
    parts = [decoder.feed(id) for id in [2, *tokenizer.encode(text), 3]]
    assert "".join(parts) == text and "\ufffd" not in "".join(parts)
    assert decoder.finish() == ""


def test_special_tokens_inside_a_character_are_skipped():
    first, *rest = BYTES.encode("语")
    assert BYTES.decode([first, 0, *rest, 3]) == "语"
    decoder = BYTES.decoder()
    assert [decoder.feed(id) for id in [first, 0, *rest]] == ["", "", "", "语"]


@given(st.lists(st.integers(0, BYTES.vocab_size - 1)))
def test_any_ids_decode_and_stream_alike(ids):
    decoder = BYTES.decoder()
    assert "".join([decoder.feed(id) for id in ids]) + decoder.finish() == BYTES.decode(ids)


def test_an_unfinished_character_is_marked():
    ids = BYTES.encode("语")[:2]
    assert BYTES.decode(ids) == "\ufffd"
    decoder = BYTES.decoder()
    assert [decoder.feed(id) for id in ids] == ["", ""]
    assert decoder.finish() == "\ufffd"


@pytest.mark.parametrize("call, message", [
    (lambda: BPETokenizer.train(""), r"^train: text must have at least one character, got none$"),
    (lambda: BPETokenizer.train("ab", vocab_size=259),
     r"^vocab_size must be at least 260 \(the special tokens and the 256 bytes\), got 259$"),
    (lambda: BPETokenizer.train("ab", vocab_size="big"), r"^vocab_size must be an integer, got 'big'"),
    (lambda: BPETokenizer.train("a\ud83d"),
     r"^train: text must have no lone surrogate, got U\+D83D at position 1$"),
    (lambda: TRAINED.encode("abc\udc00"),
     r"^encode: text must have no lone surrogate, got U\+DC00 at position 3$"),
    (lambda: TRAINED.decode([400]), r"^decode: ids must be in 0..399, got 400$"),
    (lambda: TRAINED.decoder().feed(-1), r"^feed: id must be in 0..399, got -1$"),
])
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
