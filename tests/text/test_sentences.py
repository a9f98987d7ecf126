"""A story and a question as sentences: what stands at a position, and that nothing in a file is trusted."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm.text import PAD_FEATURE, UNK, CharTokenizer, SentenceTokenizer, WordTokenizer, tokenizer_from_json
from tinyllm.text.sentences import PLACES, positions, split_sentences

STORY = "Mary went home. John left. Where is mary?"


@pytest.fixture
def sentences():
    return SentenceTokenizer(WordTokenizer.train(STORY))


def rows(ids):
    """The features that there are, in order."""
    return sorted(ids[ids != PAD_FEATURE].tolist())


def test_the_question_is_read_first_and_marks_its_words(sentences):
    ids, features, question = sentences.encode_sentences(STORY)
    words, V = sentences.tokenizer.encode_tokens, sentences.vocab_size
    assert question == 1 and features.shape == (3, 3 * PLACES)
    np.testing.assert_array_equal(ids, words(["?", ".", "."]))
    asked, mary, john = (words(text.split()) for text in ("Where is mary ?", "Mary went home .", "John left ."))
    same = V * (1 + PLACES)
    for row, of_sentence, marked in [(0, asked, [0, 1, 2]), (1, mary, [0]), (2, john, [])]:
        places = [V + id * PLACES + place for place, id in enumerate(of_sentence)]
        assert rows(features[row]) == sorted([*of_sentence, *places, *(same + place for place in marked)])


@pytest.mark.parametrize("text, expected", [
    ("", []), (" \n", []), ("no end", [["no", "end"]]), ("Who?", [["Who", "?"]]), ("a. b", [["a", "."], ["b"]]),
    ("我 在。你？", [["我", "在", "。"], ["你", "？"]]), ("wait... what?", [["wait", ".", ".", "."], ["what", "?"]]),
    ("It is 3.5. Why?", [["It", "is", "3", ".", "5", "."], ["Why", "?"]]), ("No.\nYes!", [["No", "."], ["Yes", "!"]]),
    ('(So.) "Who?"', [["(", "So", ".", ")"], ['"', "Who", "?", '"']]), ("在。”你", [["在", "。", "”"], ["你"]])])
def test_where_a_sentence_ends(text, expected):
    assert split_sentences(text) == expected


def test_a_long_sentence_goes_on_at_the_next_position(sentences):
    question, story = positions(f"{'so ' * (PLACES + 2)}. {'why ' * (2 * PLACES)}")
    assert [len(words) for words in story] == [PLACES, 3] and [len(words) for words in question] == [PLACES, PLACES]
    ids, features, asked = sentences.encode_sentences(f"{'so ' * (PLACES + 2)}. {'why ' * (2 * PLACES)}")
    assert len(ids) == len(features) == 4 and asked == 2


@given(st.text(max_size=200))
def test_any_text_has_features_of_the_table(text):
    sentences = SentenceTokenizer(WordTokenizer.train(STORY))
    ids, features, question = sentences.encode_sentences(text)
    assert len(ids) == len(features) >= question
    assert ((features >= 0) & (features < sentences.num_features) | (features == PAD_FEATURE)).all()
    assert ((ids >= UNK) & (ids < sentences.vocab_size)).all()


def test_every_row_of_the_table_can_be_meant():
    """The last one is a word of the question at the last place."""
    sentences = SentenceTokenizer(WordTokenizer.train(STORY))
    features = sentences.encode_sentences("x " * PLACES)[1]
    assert features.max() == sentences.num_features - 1


def test_its_file(sentences):
    again = tokenizer_from_json(sentences.to_json())
    assert type(again) is SentenceTokenizer and again.to_json() == sentences.to_json()
    np.testing.assert_array_equal(again.encode_sentences(STORY)[1], sentences.encode_sentences(STORY)[1])


@pytest.mark.parametrize("inner", [None, "word", {}, CharTokenizer.train(STORY).data()])
def test_a_file_with_another_tokenizer_inside(inner):
    with pytest.raises(ValueError, match="tokenizer: tokenizer must be one of type word, got"):
        SentenceTokenizer.from_data({"type": "sentences", "tokenizer": inner})
