"""Things that can be counted, with the measure words that Chinese counts them by: 两杯茶, two cups of tea."""
from typing import NamedTuple


class Thing(NamedTuple):
    """one: "cup of tea"; many: "cups of tea"; any: "tea", however many; measure: 杯; chinese: 茶."""

    one: str
    many: str
    any: str
    measure: str
    chinese: str

    @property
    def plural(self):
        """Whether `any` takes a verb in the plural: are there any books, but is there any tea."""
        return self.any == self.many or self.any.endswith("s")


def a(words):
    """The words behind a or an."""
    return f"an {words}" if words[0] in "aeiou" or words.startswith("hour") else f"a {words}"


CONTAINERS = """
cup cups of tea 杯 茶              cup cups of coffee 杯 咖啡           glass glasses of milk 杯 牛奶
bottle bottles of water 瓶 水      bowl bowls of noodles 碗 面条        glass glasses of juice 杯 果汁
piece pieces of bread 块 面包      piece pieces of cake 块 蛋糕         bowl bowls of rice 碗 米饭
pair pairs of shoes 双 鞋
"""

OBJECTS = """
apple apples 个 苹果         egg eggs 个 鸡蛋              banana bananas 根 香蕉         dumpling dumplings 个 饺子
book books 本 书             novel novels 本 小说          newspaper newspapers 份 报纸   magazine magazines 本 杂志
letter letters 封 信         report reports 份 报告        article articles 篇 文章       email emails 封 邮件
film films 部 电影           match matches 场 比赛         song songs 首 歌               picture pictures 张 画
photo photos 张 照片         ticket tickets 张 票          coat coats 件 大衣             shirt shirts 件 衬衫
umbrella umbrellas 把 雨伞   hat hats 顶 帽子              chair chairs 把 椅子           table tables 张 桌子
bed beds 张 床               lamp lamps 盏 灯              knife knives 把 刀             car cars 辆 汽车
bicycle bicycles 辆 自行车   bridge bridges 座 桥          computer computers 台 电脑     phone phones 部 手机
watch watches 块 手表        map maps 张 地图              flower flowers 朵 花           tree trees 棵 树
cat cats 只 猫               dog dogs 只 狗                bird birds 只 鸟               horse horses 匹 马
cow cows 头 牛               fish fish 条 鱼               sheep sheep 只 羊
"""


def _rows(text, width):
    words = text.split()
    return zip(*[iter(words)] * width)


THINGS = {what: Thing(f"{one} of {what}", f"{many} of {what}", what, measure, chinese)
          for one, many, _, what, measure, chinese in _rows(CONTAINERS, 6)}
THINGS.update({many: Thing(one, many, many, measure, chinese)
               for one, many, measure, chinese in _rows(OBJECTS, 4)})


def things(names):
    """The things of these names, which are what English calls them however many they are."""
    return tuple(THINGS[name] for name in names.split())
