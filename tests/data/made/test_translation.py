import functools
import re

import pytest

from tinyllm.data.made import bilingual, sentences, translation, values
from tinyllm.data.made.actions import Action
from tinyllm.data.made.splits import SPLITS, pick
from tinyllm.data.made.things import THINGS, Thing
from tinyllm.data.made.translation import SIZES

EXPECTED = """
There are two books on the table. | 桌子上有两本书。
There is a cat under the table. | 桌子下面有一只猫。
There are no dogs in the garden. | 花园里没有狗。
There is no tea on the table. | 桌子上没有茶。
Are there any noodles on the table? | 桌子上有面条吗？
Is there any milk in the kitchen? | 厨房里有牛奶吗？
There are twelve horses behind the house. | 房子后面有十二匹马。
I have two cats. | 我有两只猫。
She does not have any bicycles. | 她没有自行车。
Do you have any books? | 你有书吗？
My father has an umbrella. | 我爸爸有一把雨伞。
I am a doctor. | 我是医生。
He is not an engineer. | 他不是工程师。
Is Wang Fang a teacher? | 王芳是老师吗？
This book is expensive. | 这本书很贵。
These two books are too expensive. | 这两本书太贵了。
That pair of shoes is not cheap. | 那双鞋不便宜。
Is this cup of coffee hot? | 这杯咖啡烫吗？
Those three bowls of noodles are very delicious. | 那三碗面条非常好吃。
That glass of juice is delicious. | 那杯果汁很好喝。
She drinks tea at home every day. | 她每天在家喝茶。
I often read books in the library. | 我常常在图书馆看书。
He does not work at the weekend. | 他周末不工作。
Do you listen to music in the evening? | 你晚上听音乐吗？
My mother drank two cups of tea at home yesterday. | 我妈妈昨天在家喝了两杯茶。
They did not watch films last weekend. | 他们上周末没看电影。
Did he go to school yesterday? | 他昨天去学校了吗？
Did Tom eat apples this morning? | 汤姆今天早上吃苹果了吗？
She went to Beijing by train last week. | 她上周坐火车去了北京。
I studied Chinese at school for two hours yesterday. | 我昨天在学校学了两个小时中文。
We swam for an hour last Sunday. | 我们上星期天游了一个小时泳。
The students worked in the library for three hours last night. | 学生们昨晚在图书馆工作了三个小时。
You will buy a coat tomorrow. | 你明天要买一件大衣。
I will not go to the bank on foot tomorrow. | 我明天不走路去银行。
Will they play football in the park next Friday? | 他们下星期五要在公园里踢足球吗？
My friend is cooking in the kitchen. | 我的朋友正在厨房里做饭。
Anna is writing a letter. | 安娜正在写一封信。
The cook is going to the market by bicycle. | 厨师正在骑自行车去市场。
Li Ming wants to buy two watches. | 李明想买两块手表。
The children do not want to eat eggs. | 孩子们不想吃鸡蛋。
Do you want to go to Paris by plane next summer? | 你明年夏天想坐飞机去巴黎吗？
"""


@functools.cache
def as_words(text):
    return re.compile(rf"\b{re.escape(text)}\b", re.IGNORECASE)


def has(english, *texts):
    """Whether one of the texts stands in a sentence as whole words."""
    return any(as_words(text).search(english) for text in texts)


class Script:
    """A generator that draws what it is told."""

    def __init__(self, *drawn):
        self.drawn = list(drawn)

    def integers(self, low, high=None):
        low, high = (0, low) if high is None else (low, high)
        assert low <= self.drawn[0] < high
        return self.drawn.pop(0)

    def random(self):
        return self.drawn.pop(0)


class Chooser:
    """A generator that goes through everything that can be drawn."""

    def __init__(self):
        self.path = []

    def integers(self, low, high=None):
        low, high = (0, low) if high is None else (low, high)
        if self.at == len(self.path):
            self.path.append([0, high - low])
        self.at += 1
        return low + self.path[self.at - 1][0]

    def random(self):
        return (0.1, 0.35, 0.45, 0.6, 0.9)[self.integers(5)]  # on either side of every threshold

    def all(self, draw):
        """Everything that draw(self) can give."""
        while True:
            self.at = 0
            yield draw(self)
            while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
                self.path.pop()
            if not self.path:
                return
            self.path[-1][0] += 1


@pytest.fixture(scope="module")
def splits():
    return {split: bilingual(split) for split in SPLITS}


@pytest.mark.parametrize("line", EXPECTED.strip().split("\n"))
def test_sentences_as_a_person_translates_them(line, monkeypatch, rng):
    """The grammar, its choices led by the English sentence, comes to the Chinese that was written by hand."""
    english, chinese = line.split(" | ")

    @functools.cache
    def fits(item):
        texts = (item if isinstance(item, Thing) else item.verb if isinstance(item, Action)
                 else (item,) if isinstance(item, str) else item[:1])
        return has(english, *filter(None, texts))

    monkeypatch.setattr(sentences, "pick", lambda rng, items: pick(rng, [*filter(fits, items)] or items))
    kinds = [sentences.being_there, sentences.quality, sentences.owning, sentences.profession,
             sentences.action]
    draws = (kind(rng) for _ in range(20_000) for kind in kinds)
    assert next(found[2] for found in draws if found[1] == english) == chinese


@pytest.mark.parametrize("kind, drawn, english, chinese", [
    (values.date, (2, 5, 1990, 0), "March 5, 1990", "1990年3月5日"),
    (values.date, (6, 30, 1950, 1, 6), "Today is Sunday, July 30.", "今天是7月30日，星期天。"),
    (values.date, (9, 1, 1950, 2, 5), "My mother's birthday is on October 1.", "我妈妈的生日是10月1日。"),
    (values.date, (11, 12, 1984, 3, 2), "She was born on December 12, 1984.", "她是1984年12月12日出生的。"),
    (values.clock, (14, 0, 0.5, 0), "It is two o'clock in the afternoon.", "现在是下午两点。"),
    (values.clock, (12, 30, 0.5, 0), "It is half past twelve in the afternoon.", "现在是中午十二点半。"),
    (values.clock, (12, 0, 0.5, 0), "It is twelve noon.", "现在是中午十二点。"),
    (values.clock, (0, 0, 0.5, 0), "It is twelve midnight.", "现在是半夜十二点。"),
    (values.clock, (0, 20, 0.5, 0), "It is twelve twenty at night.", "现在是半夜十二点二十分。"),
    (values.clock, (18, 15, 0.5, 0), "It is a quarter past six in the evening.", "现在是晚上六点一刻。"),
    (values.clock, (2, 2, 0.5, 1), "The train leaves at two oh two in the morning.", "火车凌晨两点零二分出发。"),
    (values.clock, (22, 45, 0.5, 6), "The plane lands at ten forty-five at night.", "飞机晚上十点四十五分降落。"),
    (values.price, (0.9, 4, 355, 0.9), "This umbrella costs 35.50 yuan.", "这把雨伞三十五块五毛。"),
    (values.price, (0.1, 0, 22, 0.9), "This cup of tea costs 2.20 yuan.", "这杯茶两块两毛。"),
    (values.price, (0.9, 0, 2025, 0.1), "This book costs 202 yuan.", "这本书两百零二块。"),
])
def test_values_as_a_person_translates_them(kind, drawn, english, chinese):
    assert kind(Script(*drawn))[1:] == (english, chinese)


def test_sizes_and_what_is_drawn_again(splits):
    for split, pairs in splits.items():
        assert len(pairs) == len(set(pairs)) == SIZES[split]
        assert pairs == bilingual(split)
        assert pairs != bilingual(split, seed=1)
    assert len(bilingual("dev", count=7)) == 7


def test_each_sentence_has_one_translation():
    pairs = {pair for split in SPLITS for seed in (1, 2)
             for pair in bilingual(split, seed, 4000 if split == "train" else 500)}
    assert len({pair.english for pair in pairs}) == len({pair.chinese for pair in pairs}) == len(pairs) > 9000


@pytest.mark.slow
def test_each_sentence_there_is_has_one_translation(monkeypatch):
    """All but the numbers and dates, with one subject of each kind."""
    monkeypatch.setattr(sentences, "SUBJECTS", sentences.SUBJECTS[1:3])
    monkeypatch.setattr(sentences, "PEOPLE", sentences.PEOPLE[1:3])
    kinds = (sentences.action, sentences.being_there, sentences.quality, sentences.owning,
             sentences.profession, values.clock, values.price)
    pairs = {found[1:] for kind in kinds for found in Chooser().all(kind)}
    english, chinese = map(set, zip(*pairs))
    assert len(english) == len(chinese) == len(pairs) > 350_000


def longest(english, texts):
    """The longest of the texts that stand in a sentence."""
    return max((text for text in texts if has(english, text)), key=len, default="")


def subject(english):
    return longest(english, [subject.english for subject in sentences.SUBJECTS])


def spot(english):
    return longest(english, [spot[0] for spot in sentences.SPOTS])


def thing(english):
    return max((thing for thing in THINGS.values() if has(english, thing.one, thing.many, thing.any)),
               key=lambda thing: len(longest(english, thing[:3]))).any


def deeds(english):
    """The verbs of a sentence with their objects, as far as words can tell."""
    return frozenset(
        (action.verb[0], *object[:3]) for action in sentences.ACTIONS for object in action.objects
        if has(english, *action.verb)
        and (has(english, *object[:3]) if isinstance(object, Thing) else has(english, object.english)))


CORES = {  # what no sentence of test may share with one of train
    values.number: lambda english: english,
    values.date: lambda english: re.search(r"[A-Z]\w+ \d+", english)[0],
    values.clock: lambda english: re.split(" is | at ", english, maxsplit=1)[1],
    values.price: lambda english: english.split()[-2],
    sentences.being_there: lambda english: (spot(english), thing(english.replace(spot(english), ""))),
    sentences.quality: lambda english: (english.split()[-1].strip(".?"), thing(english)),
    sentences.owning: lambda english: (subject(english), thing(english)),
    sentences.profession: lambda english: (subject(english), english.strip(".?").split()[-1]),
    sentences.action: lambda english: (
        subject(english), deeds(english),
        longest(english, [when for times in (*sentences.TIMES.values(), sentences.OFTEN) for when,
                          _ in times])),
}


@pytest.mark.parametrize("kind", CORES, ids=lambda kind: kind.__name__)
def test_what_test_asks_for_is_not_in_train(kind, monkeypatch):
    """Also where they are drawn from different seeds."""
    monkeypatch.setattr(translation, "KINDS", (kind,))
    cores = {split: {CORES[kind](pair.english) for pair in bilingual(split, seed, count)}
             for seed, (split, count) in enumerate({"train": 400, "dev": 30, "test": 30}.items())}
    assert not cores["train"] & cores["test"]
    assert not cores["train"] & cores["dev"]
    assert not cores["dev"] & cores["test"]


def test_every_kind_is_in_every_split(splits):
    signs = {"number": r"^[a-z -]+$", "date": r"\d{4}|Today|birthday",
             "clock": r" at night| in the [mae]\w+\.$",
             "price": "costs", "there": "^(There|Are there|Is there)", "past": "yesterday|last",
             "question": r"\?$"}
    for pairs in splits.values():
        for sign in signs.values():
            assert sum(bool(re.search(sign, pair.english)) for pair in pairs) > 0.02 * len(pairs), sign


def test_every_word_and_character_of_test_is_in_train(splits):
    """But for one or two, by chance, and digits: what has to be learnt is how they go together."""
    for split in ("dev", "test"):
        for side, pattern in (("english", r"[A-Za-z]+"), ("chinese", r"[^\d]")):
            known, asked = (
                {word for pair in splits[name] for word in re.findall(pattern, getattr(pair, side).lower())}
                for name in ("train", split))
            assert len(asked - known) <= 2


def test_the_nearest_training_sentence_is_never_the_translation(splits):
    """And seldom near to it: of the words of the best memory some are wrong."""
    known = [(set(pair.english.split()), pair.chinese) for pair in splits["train"]]
    for pair in splits["test"][:50]:
        words = set(pair.english.split())
        nearest = max(known, key=lambda each: len(words & each[0]) / len(words | each[0]))[1]
        assert nearest != pair.chinese


def test_another_split_is_named():
    with pytest.raises(ValueError, match="bilingual: split must be one of train, dev, test, got 'valid'"):
        bilingual("valid")
