"""What the tokenizers share: the special tokens, a counted vocabulary, checked input, the file.

    PAD 0    fills the end of a short row          BOS 2    stands before a sequence
    UNK 1    what training did not see             EOS 3    stands after it

A special token is an id, not a piece of text: no text encodes to one (except UNK), and decode skips all four.
So "<pad>" in a text is five characters like any other, and comes back as it was.
"""
import json
import operator
from pathlib import Path

import numpy as np

from tinyllm import checked_json
from tinyllm.checked_json import brief

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")  # their names in files, in the order of their ids
FORMAT = 1  # of the files of the tokenizers whose tokens are pieces
PIECE = 1 << 20  # characters that are split into tokens at once, so that memory does not grow with the text


class Tokenizer:
    """Text to ids and back.  A subclass has vocab_size (special tokens included), train, encode, unknown,
    decoder, data and from_data.

    type  names the tokenizer in its file and on the command line
    """

    type = None

    def to_json(self):
        """The tokenizer as JSON text, which from_json and tinyllm.text.load_tokenizer read."""
        return json.dumps(self.data(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text):
        """The tokenizer of to_json's text.  Raises ValueError that names what is wrong with it."""
        data = parse(text)
        if file_type(data) != cls.type:
            raise ValueError(f"tokenizer: type must be {cls.type!r}, got {file_type(data)!r}")
        return cls.from_data(data)

    def save(self, path):
        """Write to_json to a file, UTF-8."""
        Path(path).write_text(self.to_json(), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path):
        """The tokenizer of a saved file.  Raises ValueError that names the file and what is wrong with it."""
        return read(path, cls.from_json)


class PieceTokenizer(Tokenizer):
    """A tokenizer whose tokens are pieces that occurred in the training text; every other piece is UNK.

    tokens  the pieces; the id of tokens[i] is i + 4, because the special tokens come first
    """

    pieces_are = None  # "characters" or "words", for messages; split gives those of a text

    def __init__(self, tokens):
        self.tokens = tuple(tokens)
        self._id_of = {token: i for i, token in enumerate(self.tokens, len(SPECIAL_TOKENS))}
        self._text_of = ("",) * len(SPECIAL_TOKENS) + self.tokens

    @property
    def vocab_size(self):
        return len(self._text_of)

    def encode_tokens(self, tokens):
        """ids int32 of a text that is already split; UNK for a token that is not in the vocabulary."""
        id_of = self._id_of.get
        return np.array([id_of(token, UNK) for token in checked_tokens("encode_tokens", tokens)], np.int32)

    def decode(self, ids):
        """The text of ids (integers, one dimension).  Special tokens are skipped."""
        return "".join([self._text_of[i] for i in checked_ids(ids, self.vocab_size)])

    def decoder(self):
        """An object with feed(id) -> str and finish() -> str, for text that appears id by id."""
        return PieceDecoder(self._text_of)

    def data(self):
        return {"type": self.type, "format": FORMAT, "special_tokens": list(SPECIAL_TOKENS),
                "tokens": list(self.tokens)}

    @classmethod
    def is_piece(cls, token):
        """Whether a string can be a token: a text of which it is the only one."""
        return cls.split(token) == [token] and lone_surrogate(token) < 0

    @classmethod
    def from_data(cls, data):
        """The tokenizer of a parsed file."""
        if data.get("format") != FORMAT:
            raise ValueError(f"tokenizer: format must be {FORMAT}, the newest this version knows, "
                             f"got {brief(data.get('format'))}")
        if data.get("special_tokens") != list(SPECIAL_TOKENS):
            raise ValueError(f"tokenizer: special_tokens must be {list(SPECIAL_TOKENS)}, "
                             f"got {brief(data.get('special_tokens'))}")
        tokens = data.get("tokens")
        if not isinstance(tokens, list):
            raise ValueError(f"tokenizer: tokens must be a list of {cls.pieces_are}, got {brief(tokens)}")
        seen = set()
        for i, token in enumerate(tokens):
            if not isinstance(token, str) or not cls.is_piece(token):
                raise ValueError(f"tokenizer: tokens must be {cls.pieces_are}, got {brief(token)} at {i}")
            if token in seen:
                raise ValueError(f"tokenizer: tokens must be distinct, got {brief(token)} twice")
            seen.add(token)
        return cls(tokens)


class PieceDecoder:
    """Text id by id where every id is whole text."""

    def __init__(self, text_of):
        self._text_of = text_of

    def feed(self, id):
        """The text of one id; nothing for a special token."""
        return self._text_of[checked_id(id, len(self._text_of))]

    def finish(self):
        """What is left over: nothing."""
        return ""


def most_frequent(counts, vocab_size, pieces_are):
    """The most frequent pieces, as many as vocab_size leaves room for; ties in code point order.

    counts      piece -> how often it occurs
    vocab_size  special tokens included; None: all of them
    """
    largest = len(counts) + len(SPECIAL_TOKENS)
    size = largest if vocab_size is None else checked_vocab_size(
        vocab_size, len(SPECIAL_TOKENS) + 1, largest,
        f"{len(SPECIAL_TOKENS)} special tokens and the {len(counts)} distinct {pieces_are} of the text")
    return sorted(counts, key=lambda piece: (-counts[piece], piece))[:size - len(SPECIAL_TOKENS)]


def checked_vocab_size(vocab_size, least, most, why):
    """vocab_size as an int, or ValueError saying where it must lie (most None: no limit) and why."""
    try:
        size = operator.index(vocab_size)
    except TypeError:
        raise ValueError(f"vocab_size must be an integer, got {vocab_size!r}") from None
    if size < least or most is not None and size > most:
        expected = f"at least {least}" if most is None else f"{least}..{most}"
        raise ValueError(f"vocab_size must be {expected} ({why}), got {size}")
    return size


def checked_text(function, text, surrogates=False):
    """text; TypeError if it is no str, ValueError at its first lone surrogate unless those may be in it."""
    if not isinstance(text, str):
        raise TypeError(f"{function}: text must be a str, got {type(text).__name__}")
    place = -1 if surrogates else lone_surrogate(text)
    if place >= 0:
        raise ValueError(f"{function}: text must have no lone surrogate, got U+{ord(text[place]):04X} "
                         f"at position {place}")
    return text


def lone_surrogate(text):
    """The position of the first lone surrogate, which no UTF-8 file can hold; -1 where there is none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start
    return -1


def checked_texts(texts):
    """The training text or texts as a list; ValueError where there is not one character."""
    texts = [checked_text("train", text) for text in ([texts] if isinstance(texts, str) else texts)]
    if not any(texts):
        raise ValueError("train: text must have at least one character, got none")
    return texts


def checked_tokens(function, tokens):
    """tokens as a list; TypeError unless they are several str: of one str, its characters would be taken."""
    if isinstance(tokens, str):
        raise TypeError(f"{function}: tokens must be a list of str, got one str")
    tokens = list(tokens)
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{function}: tokens must be str, got {type(token).__name__}")
    return tokens


def checked_ids(ids, vocab_size):
    """ids as a list of int, or ValueError that names the first that is no id."""
    ids = np.asarray(ids)
    if ids.size == 0:
        return []
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(f"decode: ids must be integers (N,), got {ids.dtype} of shape {ids.shape}")
    wrong = ids[(ids < 0) | (ids >= vocab_size)]
    if wrong.size:
        raise ValueError(f"decode: ids must be in 0..{vocab_size - 1}, got {wrong[0]}")
    return ids.tolist()


def checked_id(id, vocab_size):
    """One id as an int, or ValueError."""
    if not 0 <= operator.index(id) < vocab_size:
        raise ValueError(f"feed: id must be in 0..{vocab_size - 1}, got {id}")
    return operator.index(id)


def pieces(text, pattern):
    """Lists of the tokens that pattern splits text into, a piece of text at a time.

    Text is cut only between a character that is no space and a space or line break: there, the patterns of
    words and of byte-level BPE always end a token, and neither looks back.
    """
    start = 0
    while start < len(text):
        end = start + PIECE
        while end < len(text) and (text[end] not in " \n" or text[end - 1].isspace()):
            end += 1
        yield pattern.findall(text, start, end)
        start = end


def parse(text):
    """The object of a tokenizer file's text.  Raises ValueError where it is not JSON or no object."""
    return checked_json.parse(text.encode("utf-8", "surrogatepass"), "tokenizer")


def file_type(data):
    """The type of a parsed file: ours name it, a file of the tokenizers library has a model."""
    model = data.get("model")
    return "bpe" if isinstance(model, dict) and model.get("type") == "BPE" else data.get("type")


def read(path, from_json):
    """from_json of a file's text; a ValueError names the file."""
    try:
        return from_json(Path(path).read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: tokenizer must be UTF-8, got byte {error.object[error.start]:#04x} "
                         f"at offset {error.start}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
