"""str -> ids -> str: characters, words, byte-level BPE; tokens as they come, and their features."""
from pathlib import Path

from tinyllm.checked_json import brief
from tinyllm.text.bpe import BPETokenizer
from tinyllm.text.char import CharTokenizer
from tinyllm.text.featured import FeaturedTokenizer
from tinyllm.text.features import PAD_FEATURE, TokenFeatures, pad_features
from tinyllm.text.sentences import SentenceTokenizer
from tinyllm.text.tokens import TokenVocabulary
from tinyllm.text.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, file_type, parse, read
from tinyllm.text.word import WordTokenizer, split_words

__all__ = ["PAD", "UNK", "BOS", "EOS", "SPECIAL_TOKENS", "CharTokenizer", "WordTokenizer", "BPETokenizer",
           "TokenVocabulary", "FeaturedTokenizer", "SentenceTokenizer", "TOKENIZERS", "load_tokenizer",
           "tokenizer_from_json", "split_words", "PAD_FEATURE", "TokenFeatures", "pad_features"]

TOKENIZERS = {cls.type: cls for cls in (CharTokenizer, WordTokenizer, BPETokenizer, TokenVocabulary)}
READABLE = {**TOKENIZERS, **{cls.type: cls for cls in (FeaturedTokenizer, SentenceTokenizer)}}  # what a file can hold


def load_tokenizer(path_or_json):
    """The tokenizer of a saved file, whichever it is; text that begins with a brace is the content itself.

    Raises ValueError that names the file and what is wrong with it: nothing in a file is executed.
    """
    if isinstance(path_or_json, Path) or not path_or_json.lstrip().startswith("{"):
        return read(path_or_json, tokenizer_from_json)
    return tokenizer_from_json(path_or_json)


def tokenizer_from_json(text):
    """The tokenizer of a file's content, whichever it is.  Raises ValueError as load_tokenizer."""
    data = parse(text)
    kind = file_type(data)
    if not isinstance(kind, str) or kind not in READABLE:
        raise ValueError(f"tokenizer: type must be one of {', '.join(READABLE)}, got {brief(kind)}")
    return READABLE[kind].from_data(data)
