"""Numbers, dates, clock times and prices, English and Chinese.

    four thousand and five                               四千零五
    March 5, 2019                                        2019年3月5日
    It is half past three in the afternoon.              现在是下午三点半。
    This umbrella costs 35.50 yuan.                      这把雨伞三十五块五毛。

Each function draws (meaning, English, Chinese); the meaning is what `splits.part` decides on: the number, the
month and day, the hour and minute, the amount.  It is None for the numbers that are one word: they are always
for training.

A date of any year is 2019年3月5日 in digits; weeks have 星期天; February has 28 days.  A clock time is spoken: 凌晨
from one to four, 早上 to eight, 上午 to eleven, 中午, 下午 from one to five, 晚上 to eleven, 半夜; :15 is 一刻, :30 is 半.
A price is spoken in 块 and 毛, its last digit always with 毛 (两块两毛).
"""
from tinyllm.data.made.numerals import ONES, counted, english
from tinyllm.data.made.numerals import chinese as chinese_number
from tinyllm.data.made.splits import pick
from tinyllm.data.made.things import THINGS

MONTHS = "January February March April May June July August September October November December".split()
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEKDAYS = tuple(zip("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
                     ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期天")))
BORN = (("I was", "我"), ("He was", "他"), ("She was", "她"), ("My father was", "我爸爸"), ("My mother was", "我妈妈"),
        ("My son was", "我儿子"), ("My daughter was", "我女儿"), ("Our teacher was", "我们老师"))
BIRTHDAYS = (("My", "我"), ("Your", "你"), ("His", "他"), ("Her", "她"), ("My father's", "我爸爸"),
             ("My mother's", "我妈妈"), ("Our teacher's", "我们老师"))
EVENTS = (("It is", "现在是{}"), ("The train leaves at", "火车{}出发"), ("The bus leaves at", "公共汽车{}出发"),
          ("The ship leaves at", "轮船{}出发"), ("The plane takes off at", "飞机{}起飞"),
          ("The train arrives at", "火车{}到站"), ("The plane lands at", "飞机{}降落"))
CHEAP = [THINGS[name] for name in (
    "tea", "coffee", "milk", "water", "juice", "noodles", "rice", "bread", "cake", "newspapers", "magazines")]
DEAR = [THINGS[name] for name in (
    "books", "novels", "coats", "shirts", "umbrellas", "hats", "shoes", "chairs", "tickets", "pictures",
    "watches")]


def number(rng):
    """0..999,999, one length as often as another, a third of the digits zeros."""
    n = int(rng.integers(10))
    for _ in range(int(rng.integers(6))):
        n = 10 * n + (int(rng.integers(1, 10)) if rng.random() < 0.67 else 0)
    words = english(n)
    return ("number", n) if " " in words or "-" in words else None, words, chinese_number(n)


def date(rng):
    """A day with its year or its weekday, a birthday, a day of birth."""
    month = int(rng.integers(12))
    day = int(rng.integers(1, DAYS[month] + 1))
    words, figures = f"{MONTHS[month]} {day}", f"{month + 1}月{day}日"
    year = int(rng.integers(1950, 2020))
    form = int(rng.integers(4))
    if form == 0:
        pair = f"{words}, {year}", f"{year}年{figures}"
    elif form == 1:
        weekday, chinese = pick(rng, WEEKDAYS)
        pair = f"Today is {weekday}, {words}.", f"今天是{figures}，{chinese}。"
    elif form == 2:
        whose, chinese = pick(rng, BIRTHDAYS)
        pair = f"{whose} birthday is on {words}.", f"{chinese}的生日是{figures}。"
    else:
        who, chinese = pick(rng, BORN)
        pair = f"{who} born on {words}, {year}.", f"{chinese}是{year}年{figures}出生的。"
    return ("date", month + 1, day), *pair


def clock(rng):
    """The time now, or when something leaves or arrives."""
    hour, minute = int(rng.integers(24)), int(rng.integers(60))
    if rng.random() < 0.3:
        minute = pick(rng, (0, 15, 30))
    event, chinese = pick(rng, EVENTS)
    words, characters = _clock_words(hour, minute)
    return ("clock", hour, minute), f"{event} {words}.", chinese.format(characters) + "。"


def price(rng):
    """What something costs, in steps of a tenth of a yuan."""
    if rng.random() < 0.5:
        thing, tenths = pick(rng, CHEAP), int(rng.integers(10, 400))
    else:
        thing, tenths = pick(rng, DEAR), int(rng.integers(100, 10_000))
    if rng.random() < 0.3:
        tenths = tenths // 10 * 10
    yuan, tenth = divmod(tenths, 10)
    amount = f"{yuan}.{tenth}0" if tenth else f"{yuan}"
    chinese = counted(yuan) + "块" + (counted(tenth) + "毛" if tenth else "")
    return (("price", tenths), f"This {thing.one} costs {amount} yuan.",
            f"这{thing.measure}{thing.chinese}{chinese}。")


def _clock_words(hour, minute):
    """half past three in the afternoon, 下午三点半."""
    name, words = ONES[hour % 12 or 12], english(minute)
    if minute == 0:
        words = {0: "twelve midnight", 12: "twelve noon"}.get(hour, f"{name} o'clock")
    else:
        words = {15: f"a quarter past {name}", 30: f"half past {name}"}.get(
            minute, f"{name} oh {words}" if minute < 10 else f"{name} {words}")
    if minute or hour % 12:
        words += (" at night" if not 0 < hour < 21 else " in the morning" if hour < 12
                  else " in the afternoon" if hour < 18 else " in the evening")
    period = next(word for end, word in (
        (1, "半夜"), (5, "凌晨"), (9, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上")) if hour < end)
    past = {0: "", 15: "一刻", 30: "半"}.get(minute, ("零" if minute < 10 else "") + chinese_number(minute) + "分")
    return words, f"{period}{counted(hour % 12 or 12)}点{past}"
