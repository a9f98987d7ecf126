"""A story and a question as sentences, each of which is one position: the sum of what its words are.

    "Mary went home. John left. Where is Mary?"
    ->   Where is Mary ?   |   Mary went home .   |   John left .

The last sentence is the question, and is read first, so that what follows is read with it in mind.  A word w at
place j of its sentence is two or three features, whose rows of a table the model adds up (ops/embedding_bag.py):

    w         the word
    w @ j     the word at its place, for a sum knows no order      (Sukhbaatar et al. 2015 weigh the places)
    = @ j     where it is a word of the question as well           (exact match of Chen et al. 2017)

The id of a position is that of its last word, which is most often the mark that ends a sentence.  A sentence of more
than PLACES words goes on at the next position.
"""
import numpy as np
import regex

from tinyllm.checked_json import brief
from tinyllm.text.features import PAD_FEATURE
from tinyllm.text.vocabulary import Tokenizer, checked_text, file_type
from tinyllm.text.word import WordTokenizer, split_words

PLACES = 16
ENDS = frozenset(".?!。？！")
SENTENCE = regex.compile(r"""(?s)\S.*?(?:[.?!]+["'”’)\]]*(?=\s|\Z)|[。？！]+["'”’）」』]*|\Z)""")


def split_sentences(text):
    """The sentences of a text, each a list of words.  One ends at a mark before white space, so not within 3.5, or at a
    mark of Chinese; quotes and brackets that close stand before its end."""
    sentences = map(split_words, SENTENCE.findall(checked_text("split_sentences", text, surrogates=True)))
    return [sentence for sentence in sentences if sentence]


def positions(text):
    """The question, which is the last sentence, and the story before it: two lists of lists of at most PLACES words."""
    sentences = split_sentences(text)
    return [[sentence[begin:begin + PLACES] for sentence in part for begin in range(0, len(sentence), PLACES)]
            for part in (sentences[-1:], sentences[:-1])]


class SentenceTokenizer(Tokenizer):
    """tokenizer: a WordTokenizer, which is that of the targets; sources are read as the module's text says."""

    type = "sentences"

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    @property
    def vocab_size(self):
        return self.tokenizer.vocab_size

    @property
    def num_features(self):
        return self.vocab_size * (1 + PLACES) + PLACES

    def encode_sentences(self, text):
        """ids (S,), features (S, 3 PLACES), PAD_FEATURE where there is none, and how many positions the question is."""
        question, story = positions(text)
        asked = {word.casefold() for words in question for word in words} - ENDS
        ids, V = np.empty(len(question) + len(story), np.int32), self.vocab_size
        features = np.full((len(ids), 3, PLACES), PAD_FEATURE, np.int32)
        for i, words in enumerate(question + story):
            word_ids, places = self.tokenizer.encode_tokens(words), np.arange(len(words))
            ids[i] = word_ids[-1]
            features[i, 0, places] = word_ids
            features[i, 1, places] = V + word_ids * PLACES + places
            same = places[[word.casefold() in asked for word in words]]
            features[i, 2, same] = V * (1 + PLACES) + same
        return ids, features.reshape(len(ids), 3 * PLACES), len(question)

    def data(self):
        return {"type": self.type, "tokenizer": self.tokenizer.data()}

    @classmethod
    def from_data(cls, data):
        """The tokenizer of a parsed file."""
        inner = data.get("tokenizer")
        if not isinstance(inner, dict) or file_type(inner) != WordTokenizer.type:
            raise ValueError(f"tokenizer: tokenizer must be one of type {WordTokenizer.type}, got {brief(inner)}")
        return cls(WordTokenizer.from_data(inner))
