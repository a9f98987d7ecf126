import re

import pytest

from tests.data.made.judges import lexicon
from tinyllm.data.made import bilingual, entities, sentiment, unlabelled
from tinyllm.data.made.names import TABLES
from tinyllm.data.made.splits import LANGUAGES


@pytest.fixture(scope="module", params=LANGUAGES)
def made(request):
    """language, text"""
    return request.param, unlabelled(request.param)


def test_lines_and_what_is_drawn_again(made):
    language, text = made
    lines = text.split("\n")
    assert lines.pop() == "" and len(set(lines)) == len(lines) == 8000 and all(lines)
    again = unlabelled(language, count=50)
    assert again == unlabelled(language, count=50) != unlabelled(language, seed=1, count=50)


def test_nothing_of_it_is_in_dev_or_test(made):
    """Though it has new words: their sentences are others."""
    language, text = made
    lines = set(text.split("\n"))
    for split in ("dev", "test"):
        assert not lines & {pair[LANGUAGES.index(language)] for pair in bilingual(split)}
        assert not lines & {each.text for each in sentiment(split, language)}
        assert not lines & {TABLES[language].text(tokens) for tokens, _ in entities(split, language)}


def test_it_has_what_the_labelled_train_lacks(made):
    """Every noun and every adjective, and names."""
    language, text = made
    seen = {"en": set(re.findall(r"\w+", text)), "zh": text}[language]
    assert all(word in seen for word in lexicon(language, "new_"))
    tables = TABLES[language]
    names = tables.NEW_CITIES + (tables.NEW_GIVEN if language == "en" else tables.NEW_SURNAMES)
    assert all(name in seen for name in names)


def test_known_and_new_adjectives_of_one_side_stand_together(made):
    language, text = made
    known, new = lexicon(language, ""), lexicon(language, "new_")
    joined = {"en": r"(\w+) and (\w+)\.$", "zh": r"又(\w+?)又(\w+?)[，。]"}[language]
    found = re.findall(joined, text, re.MULTILINE)
    pairs = [(known[a], new[b]) for a, b in found if known.get(a) and new.get(b)]
    assert len(pairs) > 100
    assert all(a == b for a, b in pairs)


def test_another_language_is_named():
    with pytest.raises(ValueError, match="unlabelled: language must be one of en, zh, got 'fr'"):
        unlabelled("fr")
