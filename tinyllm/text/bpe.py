"""Byte-level BPE (Sennrich et al. 2016, Radford et al. 2019): frequent sequences of bytes are tokens.

    text  ->  words       GPT-2's pattern; a word carries the one space before it: "I'm 9!" is I, 'm, _9, !
    word  ->  bytes       UTF-8, so that 256 symbols write every text: no character is unknown
    bytes ->  ids         the merges that training learned (tinyllm/text/merges.py), inside a word only

The encyclopaedia's example, one word of 11 letters:

    aaabdaaabac      aa occurs 4 times: Z = aa
    ZabdZabac        ab and Za occur twice; the tie goes to ab, since the id of a is smaller: Y = ab
    ZYdZYac          ZY occurs twice: X = ZY
    XdXac            no pair occurs twice: the end

Ids: 0..3 the special tokens; 4..259 the bytes, in the order of BYTE_CHARACTERS; then one for each merge, in
order.  Of equally frequent pairs, the one with the smaller first id is merged, then the smaller second.  This
order and this rule are the tokenizers library's, so that both learn the same merges from one text.

The file is that library's tokenizer.json: Tokenizer.from_file reads it and encodes the same, except for:

  - Text that holds the name of a special token: here "<bos>" is five characters of text and never the id 2.
    The library turns it into the id, unless its encode_special_tokens is set to True.
  - A character that is newer than the Unicode tables of one of the two may be a letter for the other alone,
    and then a word may end elsewhere.
"""
import codecs
import json
from collections import Counter
from itertools import chain

import numpy as np
import regex

from tinyllm.checked_json import brief
from tinyllm.text.merges import apply_merges, learn_merges
from tinyllm.text.vocabulary import (
    SPECIAL_TOKENS, Tokenizer, checked_id, checked_ids, checked_text, checked_texts, checked_vocab_size, pieces)

PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
DEFAULT_VOCAB_SIZE = 4096  # or what the text supports, where that is less
CACHED_WORDS = 1 << 17


def _byte_characters():
    """byte -> the character that writes it in the file, as GPT-2 has it: visible ones write themselves."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(0x100 + i) for i, byte in enumerate(hidden)}


BYTE_CHARACTERS = _byte_characters()  # in the order of the ids: the visible bytes first
CHARACTER_BYTES = {character: byte for byte, character in BYTE_CHARACTERS.items()}

# What a file says beside vocabulary and merges.  Another unk_token changes nothing, since no byte is unknown.
MODEL = {"type": "BPE", "dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
         "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
PRE_TOKENIZER = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


class BPETokenizer(Tokenizer):
    """Byte-level BPE.

    strings  list of bytes: what each id stands for; empty for the special tokens
    merges   list of (x, y, z): the ids x and y become z; the first learned comes first
    """

    type = "bpe"

    def __init__(self, strings, merges):
        self.strings, self.merges = list(strings), list(merges)
        self._id_of_byte = np.zeros(256, np.int32)
        for i, string in enumerate(self.strings):
            if len(string) == 1:
                self._id_of_byte[string[0]] = i
        merges = np.array(self.merges, np.int64).reshape(-1, 3)
        pairs = (merges[:, 0] << 32) + merges[:, 1]
        self._ranks = np.argsort(pairs)
        self._pairs, self._merged = pairs[self._ranks], merges[:, 2].astype(np.int32)
        self._cache = {}

    @classmethod
    def train(cls, texts, vocab_size=None, default_size=DEFAULT_VOCAB_SIZE):
        """The tokenizer of a text or of several.

        vocab_size    special tokens and bytes included, 260 or more; None: default_size, or what the text supports

        Raises ValueError for no text, for a lone surrogate and for a vocabulary larger than the text
        supports: no pair that occurs twice is left then.
        """
        counts = Counter()
        for text in checked_texts(texts):
            for words in pieces(text, PATTERN):
                counts.update(words)
        strings = [b""] * len(SPECIAL_TOKENS) + [bytes([byte]) for byte in BYTE_CHARACTERS]
        least = len(strings)
        size = default_size if vocab_size is None else checked_vocab_size(
            vocab_size, least, None, "the special tokens and the 256 bytes")
        untrained = cls(strings, [])
        tokens, starts = untrained._words_as_bytes(counts)
        merges = learn_merges(tokens, starts, np.array(list(counts.values()), np.int64), strings, size)
        if vocab_size is not None:
            checked_vocab_size(vocab_size, least, len(strings), "no pair of this text occurs twice then")
        return cls(strings, merges)

    @property
    def vocab_size(self):
        return len(self.strings)

    def encode(self, text):
        """ids int32.  Raises ValueError at a lone surrogate: it has no UTF-8."""
        ids = [np.empty(0, np.int32)]
        for words in pieces(checked_text("encode", text), PATTERN):
            cache = self._cache if len(self._cache) < CACHED_WORDS else {}
            self._encode_words([word for word in dict.fromkeys(words) if word not in cache], cache)
            self._cache = cache
            ids.append(np.fromiter(chain.from_iterable([cache[word] for word in words]), np.int32))
        return np.concatenate(ids)

    def _encode_words(self, words, cache):
        """Put word -> list of ids into cache."""
        if not words:
            return
        tokens, starts = self._words_as_bytes(words)
        ends = apply_merges(tokens, starts, self._pairs, self._ranks, self._merged)
        tokens = tokens.tolist()
        for word, start, end in zip(words, starts.tolist(), ends.tolist()):
            cache[word] = tokens[start:end]

    def _words_as_bytes(self, words):
        """tokens int32, starts int64 (words + 1,): the bytes of the words as ids, word after word."""
        encoded = [word.encode("utf-8") for word in words]
        tokens = self._id_of_byte[np.frombuffer(b"".join(encoded), np.uint8)]
        return tokens, np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def unknown(self, text):
        """The characters of text that cannot be encoded: none, for the bytes write every text."""
        checked_text("unknown", text)
        return []

    def decode(self, ids):
        """The text of ids (integers, one dimension).

        Special tokens are skipped; bytes that are no UTF-8 become U+FFFD.
        """
        string = b"".join([self.strings[i] for i in checked_ids(ids, self.vocab_size)])
        return string.decode("utf-8", "replace")

    def decoder(self):
        """An object with feed(id) -> str and finish() -> str, for text that appears id by id."""
        return BPEDecoder(self.strings)

    def data(self):
        names = [*SPECIAL_TOKENS, *("".join([BYTE_CHARACTERS[byte] for byte in string])
                                    for string in self.strings[len(SPECIAL_TOKENS):])]
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        return {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": name, **flags} for i, name in enumerate(SPECIAL_TOKENS)],
            "normalizer": None, "pre_tokenizer": PRE_TOKENIZER, "post_processor": None,
            "decoder": {**PRE_TOKENIZER, "add_prefix_space": True},
            "model": {**MODEL, "unk_token": None, "vocab": {name: i for i, name in enumerate(names)},
                      "merges": [[names[x], names[y]] for x, y, _ in self.merges]}}

    @classmethod
    def from_data(cls, data):
        """The tokenizer of a parsed tokenizer.json, ours or the library's own with our special tokens.

        Raises ValueError for a setting under which the library would encode otherwise than we do.
        """
        model, pre_tokenizer = data.get("model"), data.get("pre_tokenizer")
        if not isinstance(model, dict):
            raise ValueError(f"tokenizer: model must be an object, got {brief(model)}")
        for name, expected in MODEL.items():
            if model.get(name, expected) != expected:
                raise ValueError(f"tokenizer: model.{name} must be {json.dumps(expected)}, "
                                 f"got {brief(model[name])}")
        if not isinstance(pre_tokenizer, dict) or any(
                pre_tokenizer.get(name, PRE_TOKENIZER[name]) != PRE_TOKENIZER[name]
                for name in ("type", "add_prefix_space", "use_regex")):
            raise ValueError("tokenizer: pre_tokenizer must be ByteLevel with add_prefix_space false and "
                             f"use_regex true, got {brief(pre_tokenizer)}")
        if data.get("normalizer") is not None:
            raise ValueError(f"tokenizer: normalizer must be null, got {brief(data['normalizer'])}")
        names = _names(model.get("vocab"))
        if tuple(names[:len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(f"tokenizer: model.vocab must begin with {', '.join(SPECIAL_TOKENS)}, "
                             f"got {brief(names[:len(SPECIAL_TOKENS)])}")
        added = data.get("added_tokens")
        if not isinstance(added, list) or [
                (token.get("content"), token.get("id")) if isinstance(token, dict) else token
                for token in added] != [(name, i) for i, name in enumerate(SPECIAL_TOKENS)]:
            raise ValueError("tokenizer: added_tokens must be the special tokens of model.vocab, with their "
                             f"ids, got {brief(added)}")
        strings = [b""] * len(SPECIAL_TOKENS)
        for name in names[len(SPECIAL_TOKENS):]:
            if not name or not CHARACTER_BYTES.keys() >= set(name):
                raise ValueError(f"tokenizer: model.vocab must be of byte characters, got {brief(name)}")
            strings.append(bytes([CHARACTER_BYTES[character] for character in name]))
        for character in CHARACTER_BYTES.keys() - set(names):
            raise ValueError(f"tokenizer: model.vocab must have every byte character, got no {character!r}")
        return cls(strings, _merges(model.get("merges"), {name: i for i, name in enumerate(names)}))


def _names(vocab):
    """The tokens of a file's vocabulary in the order of their ids, which must be 0, 1, 2, ..."""
    if not isinstance(vocab, dict):
        raise ValueError(f"tokenizer: model.vocab must be an object, token -> id, got {brief(vocab)}")
    names = [None] * len(vocab)
    for name, i in vocab.items():
        if type(i) is not int or not 0 <= i < len(vocab):
            raise ValueError(f"tokenizer: ids of model.vocab must be 0..{len(vocab) - 1}, got {brief(i)} "
                             f"for {brief(name)}")
        if names[i] is not None:
            raise ValueError(f"tokenizer: ids of model.vocab must be distinct, got {i} for {brief(names[i])} "
                             f"and {brief(name)}")
        names[i] = name
    return names


def _merges(merges, id_of):
    """The merges of a file as [(x, y, z), ...]; a merge is ["x", "y"], or "x y" as older files write it."""
    if not isinstance(merges, list):
        raise ValueError(f"tokenizer: model.merges must be a list of pairs of tokens, got {brief(merges)}")
    merged = {}
    for i, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(token, str) for token in pair):
            raise ValueError(f"tokenizer: model.merges[{i}] must be a pair of tokens, got {brief(merge)}")
        for token in (*pair, "".join(pair)):
            if id_of.get(token, 0) < len(SPECIAL_TOKENS):
                raise ValueError(f"tokenizer: model.merges[{i}] must be of tokens of model.vocab, "
                                 f"got {brief(token)}")
        x, y = (id_of[token] for token in pair)
        if (x, y) in merged:
            raise ValueError(f"tokenizer: model.merges must be distinct, got {brief(pair)} twice")
        merged[x, y] = id_of["".join(pair)]
    return [(x, y, z) for (x, y), z in merged.items()]


class BPEDecoder:
    """Text id by id: bytes are held back until they are whole characters."""

    def __init__(self, strings):
        self._strings = strings
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, id):
        """The characters that this id completes; nothing for a special token or inside a character."""
        return self._utf8.decode(self._strings[checked_id(id, len(self._strings))])

    def finish(self):
        """U+FFFD if the ids ended inside a character, else nothing."""
        return self._utf8.decode(b"", final=True)
