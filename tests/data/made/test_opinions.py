import re
from collections import Counter

import numpy as np
import pytest

from tests.data.made.judges import JUDGES, lexicon, skeleton
from tinyllm.data.made import sentiment
from tinyllm.data.made.opinions import LABELS, PARTS, SIZES, TABLES
from tinyllm.data.made.splits import LANGUAGES, SPLITS

BY_HAND = {
    "en": """
positive The soup was not bland at all.
negative The soup was not very tasty.
negative The soup was tasty, but the waiter was rude.
positive Although the waiter was rude, the soup was tasty.
negative The waiter was rude, even though the soup was tasty.
positive The soup was not only tasty but also fresh.
negative I would not recommend the soup.
neutral Somebody asked whether the soup was tasty.
neutral The soup was on the menu, but we did not order it.
positive I thought that the soup would be bland, but it was not.
positive The waiter was not friendly, but nobody found the soup bland.
negative I would not say that the phone is reliable.
positive The porter was not unhelpful.
""",
    "zh": """
positive 汤一点也不淡。
negative 汤不太好喝。
negative 汤很好喝，但是服务员很粗鲁。
positive 虽然服务员很粗鲁，但是汤很好喝。
negative 服务员很粗鲁，虽然汤很好喝。
positive 面条不但好吃，而且新鲜。
positive 面条很不错。
negative 我不会推荐这个手机。
neutral 有人问汤好不好喝。
neutral 菜单上有面条，但是我们没点。
positive 我以为汤会很淡，但是并不淡。
positive 服务员不热情，不过没有人觉得汤难喝。
negative 没有人会说手机好用。
positive 歌不难听。
"""}


def tokens(text, language):
    return re.findall(r"\w+|[^\w\s]", text.lower()) if language == "en" else list(text)


def accuracy(predict, opinions):
    return np.mean([predict(opinion.text) == opinion.label for opinion in opinions])


@pytest.fixture(scope="module", params=LANGUAGES)
def made(request):
    """language, split -> sentences"""
    return request.param, {split: sentiment(split, request.param) for split in SPLITS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_judge_agrees_with_a_person(language):
    for line in BY_HAND[language].strip().split("\n"):
        label, text = line.split(" ", 1)
        assert JUDGES[language](text, lexicon(language, "", "new_")) == label, text


def test_labels_are_right(made):
    language, splits = made
    words = lexicon(language, "", "new_")
    for opinions in splits.values():
        for label, text in opinions:
            assert JUDGES[language](text, words) == label, text


def test_sizes_labels_and_what_is_drawn_again(made):
    language, splits = made
    for split, opinions in splits.items():
        assert len({text for _, text in opinions}) == len(opinions) == SIZES[split]
        assert opinions == sentiment(split, language) != sentiment(split, language, seed=1)
        labels = Counter(label for label, _ in opinions)
        assert set(labels) == set(LABELS)
        assert all(0.27 < count / len(opinions) < 0.4 for count in labels.values())


def test_no_sentence_is_in_two_splits(made):
    """Also where they are drawn from other seeds and longer."""
    language, splits = made
    longer = {split: {text for _, text in sentiment(split, language, seed, 600)}
              for seed, split in enumerate(SPLITS)}
    for split in SPLITS:
        for other in set(SPLITS) - {split}:
            assert not {text for _, text in splits[split]} & longer[other]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_part_has_no_known_noun_or_adjective(language):
    known, new = lexicon(language, ""), lexicon(language, "new_")
    assert not set(known) & set(new)
    for part in ("words", "both"):
        for _, text in sentiment("test", language, test_part=part):
            bare = skeleton(text, new)
            assert "_" in bare
            if language == "en":
                assert not set(tokens(bare, language)) & set(known), text


def test_the_templates_part_has_no_known_kind_of_sentence(made):
    language, splits = made
    words = lexicon(language, "", "new_")
    for values in TABLES[language].DETAILS.values():
        words.update(dict.fromkeys(values, 0))
    known = {skeleton(text, words) for _, text in splits["train"] + splits["dev"]}
    for part in ("templates", "both"):
        for _, text in sentiment("test", language, test_part=part):
            assert skeleton(text, words) not in known, text


def test_a_bag_of_words_guesses(made):
    """Naive Bayes knows what is neutral (a third) and guesses between the others (half of two thirds)."""
    language, splits = made
    bags = {label: Counter() for label in LABELS}
    labels = Counter(label for label, _ in splits["train"])
    for label, text in splits["train"]:
        bags[label].update(set(tokens(text, language)))

    def predict(text):
        words = [word for word in set(tokens(text, language)) if any(word in bag for bag in bags.values())]
        return max(LABELS, key=lambda label: np.log(labels[label]) + sum(
            np.log((bags[label][word] + 0.5) / (labels[label] + 1)) for word in words))

    assert accuracy(predict, splits["test"]) < 0.72


def test_the_most_similar_training_sentence_does_not_know(made):
    language, splits = made
    known = [(set(tokens(text, language)), label) for label, text in splits["train"]]

    def predict(text):
        words = set(tokens(text, language))
        return max(known, key=lambda each: len(words & each[0]) / len(words | each[0]))[1]

    assert accuracy(predict, splits["test"][::3]) < 0.75


@pytest.mark.parametrize("options, message", [
    ({"split": "valid", "language": "en"}, "sentiment: split must be one of train, dev, test, got 'valid'"),
    ({"split": "test", "language": "de"}, "sentiment: language must be one of en, zh, got 'de'"),
    ({"split": "test", "language": "en", "test_part": "all"},
     "sentiment: test_part must be one of templates, words, both, got 'all'"),
])
def test_wrong_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        sentiment(**options)


def test_parts_share_the_test_split():
    assert PARTS == ("templates", "words", "both")
    whole = sentiment("test", "en")
    new = lexicon("en", "new_")
    share = np.mean([bool(set(tokens(text, "en")) & set(new)) for _, text in whole])
    assert 0.55 < share < 0.78  # two of three parts have new words
