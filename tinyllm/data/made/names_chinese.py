"""The Chinese names, times and templates of `names.py`, as in `names_english.py`."""
from functools import partial

from tinyllm.data.made.names_english import drawn
from tinyllm.data.made.numerals import chinese, counted
from tinyllm.data.made.splits import pick
from tinyllm.data.made.values import DAYS, WEEKDAYS

SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡林何高郭白"
NEW_SURNAMES = "罗 梁 宋 郑 谢 韩 唐 冯 欧阳 司马".split()
MIDDLES, NEW_MIDDLES = "建志小晓文国海美春玉", "思雨子佳"
LASTS, NEW_LASTS = "明芳伟丽强静军洋勇艳杰娟涛玲平刚", "浩婷雪峰倩宇"
STEMS = "青山 白河 东湖 南溪 石桥 金沙 云峰 大林 长岭 清泉 龙门 安平 高塘 马家".split()
NEW_STEMS = "红岩 新港 双江 松坡 桃源".split()
TOWNS, ROADS = "市县镇村", "路 街 大道".split()
CITIES = "北京 上海 广州 成都 武汉 西安 南京 天津 杭州 重庆 青岛 四川 广东 日本 英国 法国".split()
NEW_CITIES = "昆明 大连 苏州 厦门 贵州 河北 德国 韩国".split()
PAST = "昨天 前天 今天早上 昨天晚上 昨天下午 上周 上个月 去年 去年夏天".split()
FUTURE = "明天 后天 今天晚上 明天早上 明天下午 下周 下个月 明年 明年夏天".split()
FESTIVALS = "春节 中秋节 国庆节 元旦".split()

WORDS = {
    "thing": "张桌子 把椅子 块石头 匹马 棵杨树 张白纸 朵花 辆马车 位老师 棵白菜".split(),
    "spot": "马路上 花园里 海边 江边 院子里 村子里 树林里 小路边 高山上 学校里".split(),
    "like": "白色 黄色 黑色 红色 金色 绿色".split(),
    "object": "桌子 椅子 石头 花 马车 衣服 房子".split()}
TEMPLATES = {
    "names": (
        "{P}{T}在{L}见到了{P}。", "{P}出生在{L}。", "{P}住在{L}。", "{P}{f}要去{L}。", "{T}，{P}从{L}搬到了{L}。",
        "从{L}到{L}的火车{t}晚点了。", "我的朋友{P}在{L}工作。", "{P}和{P}{F}要去{L}。", "{L}的老师{P}得了奖。",
        "你{t}看见{P}了吗？", "{L}的商店{f}不开门。", "{L}{t}下雨了。", "{P}{t}给{P}写了一封信。", "我{t}收到了{P}的信。",
        "我们{f}去{L}看望{P}。", "{P}{T}在{L}买了一张桌子。", "去{L}的汽车{f}出发。", "{L}有一个很大的市场。",
        "请{f}给{P}打电话。", "{P}是一位医生。", "{L}是一个安静的地方。", "{P}老师很高兴。", "{P}不在家。",
        "{P}{f}能来{L}吗？", "医生{P}{t}很忙。", "{L}的学校是{y}建的。"),
    "none": (
        "{spot}有一{thing}。", "{spot}的那{thing}不见了。", "他高兴地看着那{thing}。", "我马上去{spot}。",
        "{spot}的{object}是{like}的。", "她明白那{thing}为什么在{spot}。")}
NEW_TEMPLATES = {
    "names": (
        "{P}听说{L}{t}下了大雪。", "{T}，{P}离开{L}，去了{L}。", "{P}说去{L}的路{f}不通。",
        "谁告诉{P}我们{f}去{L}？",
        "{P}的弟弟在{L}上学。", "在{L}，大家都认识{P}。", "{L}比{L}大。", "{P}比{P}高。", "{P}{T}把{L}的房子卖给了{P}。",
        "{L}的学生{T}见到了{P}医生。", "{f}{L}会下雪吗？", "{P}问{P}{L}在哪里。", "博物馆里有{P}的画。", "{F}我要跟{P}见面。"),
    "none": (
        "谁高兴跟我去{spot}？", "那{thing}周围没有人。", "{spot}没有{like}的{object}。", "那{thing}不在{spot}。")}


def tokens(text):
    return list(text)


def text(tokens):
    """The tokens as one writes them."""
    return "".join(tokens)


def person(rng, split, new):
    """Surname and given name."""
    def make():
        surname = pick(rng, NEW_SURNAMES if new and rng.random() < 0.5 else SURNAMES)
        middle = pick(rng, NEW_MIDDLES if new and rng.random() < 0.3 else MIDDLES)
        return surname + (middle if rng.random() < 0.6 else "") + pick(rng, NEW_LASTS if new else LASTS)

    return ((drawn(split, "person", make), "PER"),)


def place(rng, split, new):
    """A city or country, or a name made for the occasion: 青山市, 东湖路, 青山市东湖区."""
    form = rng.random()
    if form < 0.3 and (new or split == "train"):
        return ((pick(rng, NEW_CITIES if new else CITIES), "LOC"),)

    def make():
        stem = pick(rng, NEW_STEMS if new else STEMS)
        if form < 0.7:
            return stem + pick(rng, TOWNS)
        return stem + pick(rng, ROADS) if form < 0.85 else f"{pick(rng, STEMS)}市{stem}区"

    return ((drawn(split, "place", make), "LOC"),)


def _time(rng, split, new, *, forms, words, which, year, years):
    """A time in one of the forms."""
    form = pick(rng, forms)
    if form == "word":
        text = pick(rng, words)
    elif form == "weekday":
        text = which + pick(rng, WEEKDAYS)[1]
    elif form == "hour":
        text = drawn(split, "hour", lambda: pick(rng, words[:2]) + _hour(rng))
    elif form == "day":
        text = drawn(split, "day", lambda: _day(rng))
    elif form == "festival":
        text = year + pick(rng, FESTIVALS)
    else:
        text = drawn(split, "year", lambda: str(rng.integers(*years))) + "年"
        text += f"{rng.integers(1, 13)}月" if form == "month" else ""
    return ((text, "TIM"),)


def _hour(rng):
    hour = int(rng.integers(7, 22))
    period = next(word for end, word in (
        (9, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上")) if hour < end)
    return f"{period}{counted(hour if hour < 13 else hour - 12)}点{'半' if rng.random() < 0.3 else ''}"


def _day(rng):
    month = int(rng.integers(12))
    return f"{chinese(month + 1)}月{chinese(int(rng.integers(1, DAYS[month] + 1)))}日"


NEAR, FAR = ("word", "weekday", "hour", "day"), ("year", "month")
ANY = ("word", "weekday", "day", "festival", "year", "month")
SLOTS = {
    "P": person, "L": place,
    "T": partial(_time, forms=ANY, words=PAST, which="上", year="去年", years=(1980, 2020)),
    "t": partial(_time, forms=NEAR, words=PAST[:6], which="上", year="", years=None),
    "y": partial(_time, forms=FAR, words=(), which="", year="", years=(1980, 2020)),
    "F": partial(_time, forms=ANY, words=FUTURE, which="下", year="明年", years=(2030, 2050)),
    "f": partial(_time, forms=NEAR, words=FUTURE[:6], which="下", year="", years=None)}
