import functools
from collections import Counter, defaultdict

import numpy as np
import pytest

from tinyllm.data.made.names import PARTS, SIZES, TABLES, TAGS
from tinyllm.data.made.names import entities as draw_entities
from tinyllm.data.made.splits import LANGUAGES, SPLITS
from tinyllm.metrics.entity_f1 import check_bio, entity_f1


entities = functools.cache(draw_entities)  # drawn once for all tests


@pytest.fixture(scope="module", params=LANGUAGES)
def made(request):
    """language, split -> sentences"""
    return request.param, {split: entities(split, request.param) for split in SPLITS}


def longer(language):
    """Sentences of train from another seed."""
    return entities("train", language, 5, 2000)


def found(sentences):
    """type -> the entities of it, each a tuple of tokens."""
    entities = defaultdict(list)
    for tokens, tags in sentences:
        for number, tag in enumerate(tags):
            if tag.startswith("B-"):
                end = number + 1
                while end < len(tags) and tags[end].startswith("I-"):
                    end += 1
                entities[tag[2:]].append(tokens[number:end])
    return entities


def skeleton(sentence):
    """Its tokens outside entities, lower-cased, with a gap for each entity."""
    return tuple(token.lower() if tag == "O" else tag[2:]
                 for token, tag in zip(*sentence) if not tag.startswith("I-"))


def test_tags_are_bio(made):
    _, splits = made
    for sentences in splits.values():
        for tokens, tags in sentences:
            assert len(tokens) == len(tags) and all(tokens)
            assert set(tags) <= set(TAGS) and check_bio(tags) is None
            assert all(token == token.strip() and " " not in token for token in tokens)


def test_sizes_types_and_what_is_drawn_again(made):
    language, splits = made
    for split, sentences in splits.items():
        assert len(set(sentences)) == len(sentences) == SIZES[split]
        assert sentences == draw_entities(split, language) != draw_entities(split, language, seed=1)
        counts = {type: len(each) for type, each in found(sentences).items()}
        assert set(counts) == {"PER", "LOC", "TIM"} and min(counts.values()) > 0.35 * len(sentences)
        assert 0.03 < np.mean([set(tags) == {"O"} for _, tags in sentences]) < 0.15


def test_what_an_entity_is():
    """Titles are outside names, prepositions outside times, a name of several words is one."""
    titles, times, places = 0, 0, 0
    for tokens, tags in longer("en"):
        for word, tag, after in zip(tokens, tags, tags[1:]):
            if word in ("Mr", "Mrs", "Dr", "Professor"):
                assert (tag, after) == ("O", "B-PER")
                titles += 1
            if word.lower() in ("on", "at") or word.lower() == "in" and after == "B-TIM":
                assert tag == "O"
                times += after == "B-TIM"
            if word in ("New", "North", "South", "Port"):
                assert (tag, after) == ("B-LOC", "I-LOC")
                places += 1
    assert min(titles, times, places) > 50


def test_no_sentence_is_in_two_splits(made):
    """Also where they are drawn from other seeds and longer."""
    language, splits = made
    others = {"train": set(longer(language)), "dev": set(draw_entities("dev", language, 6, 500)),
              "test": set(draw_entities("test", language, 7, 500))}
    for split in SPLITS:
        for other in set(SPLITS) - {split}:
            assert not set(splits[split]) & others[other]


def test_new_names_are_new(made):
    """Persons, places and days of the words part and of both are nowhere in train."""
    language, _ = made
    known = found(longer(language))
    for part in ("words", "both"):
        names = found(entities("test", language, test_part=part))
        for type in ("PER", "LOC"):
            assert not set(names[type]) & set(known[type])
        dates = [each for each in names["TIM"] if any(character.isdigit() for character in "".join(each))]
        assert dates and not set(dates) & set(known["TIM"])


def test_names_of_the_templates_part_are_those_of_train(made):
    language, _ = made
    known = {name[-1] for each in found(longer(language)).values() for name in each}
    test = entities("test", language, test_part="templates")
    names = [name[-1] for each in found(test).values() for name in each]
    assert np.mean([name in known for name in names]) > 0.98


def test_new_templates_are_new(made):
    language, splits = made
    known = {skeleton(sentence) for sentence in longer(language)}
    for part in ("templates", "both"):
        assert not {skeleton(sentence) for sentence in entities("test", language, test_part=part)} & known
    words = entities("test", language, test_part="words")
    with_names = [sentence for sentence in words if set(sentence.tags) != {"O"}]
    assert np.mean([skeleton(sentence) in known for sentence in with_names]) > 0.9


@pytest.mark.parametrize("language, words", [
    ("en", {"June": {"B-PER", "B-TIM"}, "Florence": {"B-PER", "B-LOC"}, "May": {"O", "B-PER", "B-TIM"}}),
    ("zh", {"周": {"B-PER", "I-TIM"}, "马": {"O", "B-PER", "B-LOC"}, "高": {"O", "B-PER", "B-LOC"},
            "白": {"B-PER", "O"},
            "张": {"O", "B-PER"}, "明": {"B-TIM", "I-PER", "O"}})])
def test_one_word_is_several_things(language, words):
    tags = defaultdict(set)
    for sentence in entities("train", language):
        for token, tag in zip(*sentence):
            tags[token].add(tag)
    for word, expected in words.items():
        assert expected <= tags[word], (word, tags[word])


@pytest.mark.parametrize("language, part, bar", [
    ("en", None, 0.7), ("en", "words", 0.55), ("en", "both", 0.5),
    ("zh", None, 0.5), ("zh", "words", 0.45), ("zh", "both", 0.45)])
def test_the_usual_tag_of_each_token_is_not_enough(language, part, bar):
    usual = defaultdict(Counter)
    for sentence in entities("train", language):
        for token, tag in zip(*sentence):
            usual[token][tag] += 1
    test = entities("test", language, test_part=part)
    predicted = [[usual[token].most_common(1)[0][0] if token in usual else "O" for token in tokens]
                 for tokens, _ in test]
    assert entity_f1([list(tags) for _, tags in test], predicted).micro.f1 < bar


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_of_tokens(language):
    for tokens, _ in entities("dev", language, count=50):
        text = TABLES[language].text(tokens)
        assert text.replace(" ", "") == "".join(tokens)
        assert not any(space in text for space in (" .", " ,", " ?"))


@pytest.mark.parametrize("options, message", [
    ({"split": "valid", "language": "en"}, "entities: split must be one of train, dev, test, got 'valid'"),
    ({"split": "test", "language": "de"}, "entities: language must be one of en, zh, got 'de'"),
    ({"split": "test", "language": "en", "test_part": "all"},
     f"test_part must be one of {', '.join(PARTS)}, got 'all'"),
])
def test_wrong_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        entities(**options)
