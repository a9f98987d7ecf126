"""The words of the sentences in `sentences.py`, and the combinations of them that make sense."""
from typing import NamedTuple

from tinyllm.data.made.things import things
from tinyllm.data.made.values import WEEKDAYS


class Subject(NamedTuple):
    english: str
    chinese: str
    be: str  # am, are or is
    asked: bool  # whether one asks about it: not about oneself and one's own family


class Activity(NamedTuple):
    """What a verb is about without being counted: study Chinese, 学中文; lasts: can be done for two hours."""

    english: str
    chinese: str
    lasts: bool


class Action(NamedTuple):
    """A verb with the objects and the places or manners that go with it; far: not done every day."""

    verb: tuple  # four English forms: drink drinks drank drinking
    chinese: str
    objects: tuple
    adverbs: tuple
    far: bool = False


def _pairs(text):
    """English, Chinese; English, Chinese; ... as a tuple of pairs."""
    return tuple(tuple(pair.strip().split(", ")) for pair in text.split(";"))


SINGULAR = _pairs(
    "he, 他; she, 她; my father, 我爸爸; my mother, 我妈妈; my son, 我儿子; my daughter, 我女儿; my wife, 我妻子; "
    "my husband, 我丈夫; my friend, 我的朋友; my neighbour, 我的邻居; his mother, 他妈妈; her father, 她爸爸; "
    "Anna, 安娜; Tom, 汤姆; Li Ming, 李明; Wang Fang, 王芳")
OFFICES = _pairs("our teacher, 我们老师; the doctor, 医生; the driver, 司机; the cook, 厨师")
PEOPLE = (Subject("I", "我", "am", False), Subject("you", "你", "are", True),
          *(Subject(*pair, "is", not pair[0].startswith("my")) for pair in SINGULAR))
SUBJECTS = (*PEOPLE, *(Subject(*pair, "is", True) for pair in OFFICES),
            Subject("we", "我们", "are", False), Subject("they", "他们", "are", True),
            Subject("the students", "学生们", "are", True), Subject("the children", "孩子们", "are", True))
JOBS = _pairs(
    "teacher, 老师; doctor, 医生; nurse, 护士; driver, 司机; engineer, 工程师; cook, 厨师; student, 学生; writer, 作家; "
    "lawyer, 律师; journalist, 记者; farmer, 农民; singer, 歌手; actor, 演员; pilot, 飞行员; scientist, 科学家; "
    "painter, 画家")

PLACES = {english.split()[-1]: (english, chinese) for english, chinese in _pairs(
    "at home, 在家; at school, 在学校; at the office, 在办公室; in the kitchen, 在厨房里; in the park, 在公园里; "
    "in the library, 在图书馆; in the classroom, 在教室里; in the restaurant, 在餐厅; in the shop, 在商店里; "
    "at the market, 在市场; in the supermarket, 在超市; at the station, 在车站; at the hotel, 在酒店; "
    "in the garden, 在花园里; in Beijing, 在北京; in Shanghai, 在上海")}
MANNERS = {english.split()[-1]: (english, chinese) for english, chinese in _pairs(
    "by train, 坐火车; by bus, 坐公共汽车; by plane, 坐飞机; by ship, 坐船; by taxi, 坐出租车; by car, 开车; "
    "by bicycle, 骑自行车; on foot, 走路")}


def _at(names):
    return tuple((PLACES | MANNERS)[name] for name in names.split())


def _activities(text, lasts=True):
    return tuple(Activity(english.strip("-"), chinese.strip("-"), lasts) for english, chinese in _pairs(text))


def _action(forms, chinese, objects, adverbs, far=False):
    return Action(tuple(forms.split()), chinese, objects, _at(adverbs), far)


PLAY, GO = "play plays played playing", "go goes went going"
ACTIONS = (
    _action("drink drinks drank drinking", "喝", things("tea coffee milk water juice"),
            "home office kitchen restaurant station hotel garden"),
    _action("eat eats ate eating", "吃", things("noodles rice bread cake apples eggs bananas dumplings"),
            "home kitchen restaurant school hotel garden"),
    _action("read reads read reading", "看", things("books novels newspapers magazines letters reports"),
            "home library office park station garden"),
    _action("watch watches watched watching", "看", things("films matches"), "home hotel school"),
    _action("watch watches watched watching", "看", _activities("television, 电视"), "home hotel"),
    _action("write writes wrote writing", "写", things("letters articles reports emails"),
            "home office library hotel"),
    _action("draw draws drew drawing", "画", things("pictures maps"), "home park classroom school"),
    _action("take takes took taking", "拍", things("photos"), "park garden school station Beijing Shanghai"),
    _action("buy buys bought buying", "买",
            things("coats shirts umbrellas hats shoes chairs lamps watches flowers"),
            "shop market Beijing Shanghai"),
    _action("buy buys bought buying", "买", things("newspapers water cake apples bananas eggs bread"),
            "supermarket market"),
    _action("sell sells sold selling", "卖", things("flowers apples bananas fish umbrellas hats shoes books"),
            "market shop station Shanghai"),
    _action("study studies studied studying", "学",
            _activities("Chinese, 中文; English, 英语; French, 法语; maths, 数学; history, 历史"),
            "home school library classroom Beijing"),
    _action("listen listens listened listening", "听", _activities("to music, 音乐; to the radio, 广播"),
            "home office kitchen park"),
    _action(PLAY, "踢", _activities("football, 足球"), "park school"),
    _action(PLAY, "打", _activities("basketball, 篮球; table tennis, 乒乓球; tennis, 网球"), "park school"),
    _action(PLAY, "弹", _activities("the piano, 钢琴; the guitar, 吉他"), "home school classroom"),
    _action(PLAY, "下", _activities("chess, 棋"), "home park library hotel"),
    _action("work works worked working", "工作", _activities("-, -"), "home office library school Shanghai"),
    _action("rest rests rested resting", "休息", _activities("-, -"), "home hotel park garden"),
    _action("swim swims swam swimming", "游", _activities("-, 泳"), "hotel school"),
    _action("sing sings sang singing", "唱", _activities("-, 歌"), "home park school garden"),
    _action("dance dances danced dancing", "跳", _activities("-, 舞"), "home park school"),
    _action("run runs ran running", "跑", _activities("-, 步"), "park school"),
    _action("cook cooks cooked cooking", "做", _activities("-, 饭"), "home kitchen restaurant"),
    _action(GO, "去", _activities(
        "to school, 学校; to the park, 公园; to the station, 车站; to the library, 图书馆; to the market, 市场; "
        "to the hospital, 医院; to the bank, 银行", lasts=False), "bus bicycle foot taxi car"),
    _action(GO, "去", _activities(
        "to Beijing, 北京; to Shanghai, 上海; to Nanjing, 南京; to Guangzhou, 广州", lasts=False),
        "train plane car bus", far=True),
    _action(GO, "去", _activities(
        "to London, 伦敦; to Paris, 巴黎; to Tokyo, 东京; to New York, 纽约", lasts=False), "plane ship", far=True),
)

OFTEN = _pairs("often, 常常; always, 总是; usually, 通常; sometimes, 有时候")  # before the verb in both languages
EVERY = _pairs("every day, 每天; every morning, 每天早上; every evening, 每天晚上; every weekend, 每个周末")
AT = _pairs("in the morning, 早上; in the afternoon, 下午; in the evening, 晚上; at the weekend, 周末")
PAST = _pairs("yesterday, 昨天; last night, 昨晚; this morning, 今天早上; yesterday morning, 昨天早上; "
              "yesterday afternoon, 昨天下午; the day before yesterday, 前天; last weekend, 上周末")
FUTURE = _pairs("tomorrow, 明天; tonight, 今晚; tomorrow morning, 明天早上; tomorrow afternoon, 明天下午; "
                "the day after tomorrow, 后天; next weekend, 下周末")
FAR_EVERY = _pairs("every week, 每周; every month, 每个月; every year, 每年; every summer, 每年夏天")
FAR_PAST = _pairs("yesterday, 昨天; last week, 上周; last month, 上个月; last year, 去年; last summer, 去年夏天; "
                  "the day before yesterday, 前天")
FAR_FUTURE = _pairs("tomorrow, 明天; next week, 下周; next month, 下个月; next year, 明年; next summer, 明年夏天; "
                    "the day after tomorrow, 后天")
EVERY += tuple((f"every {day}", f"每个{chinese}") for day, chinese in WEEKDAYS)
LAST_DAYS = tuple((f"last {day}", f"上{chinese}") for day, chinese in WEEKDAYS)
NEXT_DAYS = tuple((f"next {day}", f"下{chinese}") for day, chinese in WEEKDAYS)
TIMES = {  # by (tense, far)
    ("present", False): EVERY + AT, ("present", True): FAR_EVERY,
    ("past", False): PAST + LAST_DAYS, ("past", True): FAR_PAST + LAST_DAYS,
    ("future", False): FUTURE + NEXT_DAYS, ("future", True): FAR_FUTURE + NEXT_DAYS,
}

OWNED = things(
    "cats dogs birds horses cows fish sheep "
    "bicycles cars computers phones watches umbrellas coats hats books")
SPOTS = tuple((english, chinese, things(names)) for english, chinese, names in (
    ("on the table", "桌子上",
     "tea coffee milk water juice noodles rice bread cake apples eggs bananas books novels newspapers "
     "magazines letters tickets photos hats phones watches computers maps lamps knives"),
    ("under the table", "桌子下面", "cats dogs shoes"),
    ("on the bed", "床上", "cats shirts coats hats books magazines umbrellas photos"),
    ("in the bag", "包里", "apples bananas books phones umbrellas tickets shirts letters maps"),
    ("on the wall", "墙上", "pictures photos hats lamps maps"),
    ("in the room", "房间里", "tables chairs beds lamps computers cats books pictures flowers"),
    ("in the kitchen", "厨房里", "apples eggs bananas bread cake milk water tables chairs knives tea"),
    ("in the garden", "花园里", "flowers trees birds cats dogs chairs bicycles"),
    ("in front of the shop", "商店前面", "bicycles cars dogs horses trees chairs"),
    ("behind the house", "房子后面", "trees cars bicycles horses cows sheep dogs"),
    ("beside the river", "河边", "trees horses cows sheep birds flowers"),
    ("on the river", "河上", "bridges"),
))

QUALITIES = tuple((english, chinese, bool(too), things(names)) for english, chinese, too, names in (
    ("expensive", "贵", "too", "books coats shirts umbrellas hats shoes chairs tables lamps bicycles cars "
     "computers phones watches tickets pictures flowers horses"),
    ("cheap", "便宜", "", "books coats shirts umbrellas hats shoes chairs tables lamps bicycles cars computers "
     "phones watches tickets apples bananas eggs"),
    ("new", "新", "",
     "coats shirts umbrellas hats shoes chairs tables bicycles cars computers phones watches bridges"),
    ("old", "旧", "too",
     "coats shirts umbrellas hats shoes chairs tables bicycles cars computers phones maps books"),
    ("big", "大", "too", "coats shirts hats shoes tables beds apples eggs dumplings fish trees cows pictures"),
    ("small", "小", "too", "coats shirts hats shoes tables beds apples eggs dumplings fish cars birds"),
    ("heavy", "重", "too", "books chairs tables beds computers bicycles coats"),
    ("beautiful", "漂亮", "",
     "coats shirts hats shoes lamps pictures photos flowers birds cats horses watches bridges"),
    ("clean", "干净", "", "shirts coats shoes tables beds cars knives"),
    ("dirty", "脏", "too", "shirts coats shoes tables beds cars knives"),
    ("interesting", "有意思", "", "books novels films magazines articles reports letters matches pictures"),
    ("boring", "无聊", "too", "books novels films articles reports matches"),
    ("long", "长", "too", "letters films articles reports emails novels songs bridges"),
    ("short", "短", "too", "letters films articles reports emails novels songs"),
    ("fresh", "新鲜", "", "apples bananas eggs milk fish bread"),
    ("sweet", "甜", "too", "apples bananas cake juice"),
    ("cold", "凉", "too", "tea coffee noodles rice milk"),
    ("hot", "烫", "too", "tea coffee noodles rice milk"),
    ("delicious", "好吃", "", "noodles bread cake apples dumplings bananas fish"),
    ("delicious", "好喝", "", "tea coffee milk juice"),
))
