"""The Chinese words and templates of `opinions.py`, as in `opinions_english.py`."""
from tinyllm.data.made.opinions_english import Group, words

DISH = Group(
    nouns=words("菜 面条 鱼 米饭 鸡肉 炒饭"),
    good=words("好吃 新鲜 香"),
    bad=words("难吃 油腻"),
    facts=("{x}的价格是{count}十块。", "我们{hour}点了{x}。", "{x}在菜单的第{count}页。", "菜单上有{x}，但是我们没点。",
           "{x}{hour}以后才有。"),
    new_nouns=words("甜点 早餐 牛肉 包子 火锅"),
    new_good=words("鲜美 香甜 可口"),
    new_bad=words("腻 难闻 倒胃口"),
    new_facts=("虽然菜单上有{x}，不过{month}才卖。", "我们{hour}以前没点{x}。", "{x}不在菜单的第{count}页。"), this="这里的")
DRINK = Group(
    nouns=words("汤 咖啡 茶 果汁"),
    good=words("好喝 香"),
    bad=words("难喝 淡"),
    facts=("{x}的价格是{count}十块。", "我们{hour}点了{x}。", "{x}在菜单的第{count}页。", "{x}{hour}以后才有。"),
    new_nouns=words("奶茶 豆浆 牛奶 啤酒"),
    new_good=words("香浓 爽口"),
    new_bad=words("寡淡 难闻"),
    new_facts=("虽然菜单上有{x}，不过{month}才卖。", "我们{hour}以前没点{x}。", "{x}不在菜单的第{count}页。"), this="这里的")
ROOM = Group(
    nouns=words("房间 浴室 厨房 公寓 教室"),
    good=words("干净 舒服 安静 宽敞"),
    bad=words("脏 吵 拥挤 阴暗 潮湿"),
    facts=("{x}在{count}楼。", "{x}有{count}扇窗户。", "我们{hour}拿到了{x}的钥匙。", "{x}不在{count}楼。", "他们{month}粉刷了{x}。"),
    new_nouns=words("卧室 大厅 阳台 宾馆 宿舍"),
    new_good=words("舒适 宽大 整洁"),
    new_bad=words("肮脏 吵闹 昏暗 狭小"),
    new_facts=("虽然我们要的是{count}楼，不过{x}在一楼。", "我们{hour}以前没去{x}。", "{x}是{count}年以前建的。"), this="这里的")
STAFF = Group(
    nouns=words("服务员 前台 司机 导游 厨师"),
    good=words("热情 友好 耐心 细心 客气"),
    bad=words("冷淡 粗鲁 粗心 傲慢"),
    facts=("{x}{hour}下班。", "{x}是{city}人。", "我们{month}认识了{x}。", "我们见到了{x}，但是只见了{count}分钟。",
           "{x}在这里工作了{count}年。"),
    new_nouns=words("店员 经理 护士 保安 收银员"),
    new_good=words("热心 友善 和气 周到"),
    new_bad=words("冷漠 粗暴 恶劣"),
    new_facts=("虽然{x}是{city}人，不过他住在北京。", "我们{hour}以前没见到{x}。", "{x}{hour}不在店里。"), this="这里的", liked=False)
STORY = Group(
    nouns=words("电影 小说 短片 话剧 节目"),
    good=words("好看 精彩 有趣 感人"),
    bad=words("难看 无聊 枯燥 老套"),
    facts=("{x}的故事发生在{city}。", "我是{month}看的{x}。", "{x}讲的是{count}个姐妹的故事。", "{x}和{city}没有关系。",
           "{x}我看了{count}遍。"),
    new_nouns=words("电视剧 影片 漫画 动画片 纪录片"),
    new_good=words("动人 好笑 深刻"),
    new_bad=words("无趣 乏味 沉闷"),
    new_facts=("虽然{x}的故事发生在{city}，不过不是在那里写的。", "我{month}以前没听说过{x}。", "{x}做了{count}年。"), this="这个")
MUSIC = Group(
    nouns=(), good=(), bad=(),
    facts=("我{month}听过{x}。", "{x}是{month}写的。", "{x}和{city}没有关系。"),
    new_nouns=words("歌 音乐 曲子 专辑"),
    new_good=words("好听 动听"),
    new_bad=words("难听 刺耳"),
    new_facts=("虽然{x}是{month}写的，不过九月才出来。", "我{month}以前没听过{x}。", "{x}是在{city}录的。"), this="这里的")
DEVICE = Group(
    nouns=words("手机 电脑 相机 打印机 键盘"),
    good=words("好用 方便 实用 耐用 可靠"),
    bad=words("难用 卡 麻烦 笨重"),
    facts=("{x}有{count}种颜色。", "我{month}买了{x}。", "{x}是{city}生产的。", "{x}有白色的，但是没有黑色的。",
           "{x}我用了{count}个星期。"),
    new_nouns=words("平板 耳机 手表 音箱 吸尘器"),
    new_good=words("便利 牢靠 顺手"),
    new_bad=words("粗笨 烦人 劣质"),
    new_facts=("虽然{x}是{month}订的，不过九月才到。", "{x}不是{city}生产的。", "店里{month}以前没有{x}。"), this="这个")

GROUPS = (DISH, DRINK, ROOM, STAFF, STORY, MUSIC, DEVICE)
SCENES = ((DISH, DRINK, STAFF), (ROOM, STAFF), (DISH, ROOM, STAFF), (DRINK, ROOM), (STORY,), (STORY,),
          (MUSIC,), (DEVICE,), (DEVICE,))

ANYTHING = {
    "good": words("好 令人满意"), "bad": words("差 糟糕 令人失望"),
    "strong_good": words("很不错 好极了 棒极了 非常完美"), "strong_bad": words("差极了 糟糕透了 太差了 差得很"),
    "new_good": words("理想 出色"), "new_bad": words("差劲 糟"),
    "new_strong_good": words("好得很 堪称一流"), "new_strong_bad": words("糟透了 烂透了")}

CLAUSES = {
    "plain": {"any": ("{x}很{A}", "{x}非常{A}", "{x}真的很{A}", "{x}特别{A}", "{x}{S}", "我觉得{x}很{A}", "我觉得{x}非常{A}"),
              "good": (), "bad": ("{x}太{A}了",)},
    "denied": {"any": ("{x}不{Z}", "{x}并不{Z}", "{x}一点也不{Z}", "我不觉得{x}{Z}", "没有人觉得{x}{Z}"),
               "good": (), "bad": ("{x}不太{Z}", "{x}不怎么{Z}")},
    "liking": {"any": (),
               "good": ("我很喜欢{this}{x}", "我喜欢{this}{x}", "我们都喜欢{this}{x}", "我会推荐{this}{x}"),
               "bad": ("我讨厌{this}{x}", "我不喜欢{this}{x}", "我们都不喜欢{this}{x}", "我不会推荐{this}{x}")},
}
TEMPLATES = {
    "opinion": ("{P}。", "{P}。", "说实话，{P}。", "{N}。", "{N}。", "{N}。", "说实话，{N}。", "{V}。",
                "{P}，而且{P}。", "{P}，而且{N}。", "{p}，不过{P}。", "{p}，但是{P}。", "虽然{p}，但是{P}。",
                "虽然{p}，但是{P}。", "{P}，虽然{p}。", "{P}，虽然{p}。", "{x}不但{A}，而且{B}。"),
    "neutral": ("{x}{A}吗？", "有人问{x}{Q}。", "请问{x}{A}吗？", "我不知道{x}{Q}。", "我没听说{x}{Q}。"),
}
NEW_TEMPLATES = {
    "opinion": ("{n}，但是{P}。", "{p}，不过{N}。", "{n}，不过{N}。", "虽然{n}，但是{P}。", "虽然{p}，但是{N}。",
                "{N}，虽然{p}。", "{P}，虽然{n}。", "虽然{p}，不过{P}。", "虽然{p}，不过{V}。",
                "虽然{p}，但是{V}。", "{V}，虽然{p}。", "{N}，而且{N}。", "我不会说{x}{Z}。", "没有人会说{x}{Z}。",
                "我以为{x}会很{Z}，但是很{A}。", "我以为{x}会很{Z}，但是并不{Z}。"),
    "neutral": ("有人知道{x}{Q}吗？", "没有人知道{x}{Q}。", "我问{x}{Q}，但是没有人知道。", "我想知道{x}{Q}。"),
}
COMPANY = {
    "any": ("{x}又{A}又{B}。", "我觉得{x}又{A}又{B}。", "{x}{S}，又{A}又{B}。"),
    "good": ("{x}又{A}又{B}，我们还会再来。", "我喜欢{this}{x}，又{A}又{B}。"),
    "bad": ("{x}又{A}又{B}，我们不会再来。", "我讨厌{this}{x}，又{A}又{B}。"),
}
DETAILS = {
    "count": words("三 四 五 六 七 八 九"),
    "hour": words("中午十二点 下午两点 下午五点 晚上六点 晚上七点 晚上八点半 晚上九点"),
    "month": words("一月 二月 三月 四月 五月 六月 七月 八月 十月"),
    "city": words("上海 广州 成都 武汉 西安 南京 天津 杭州 重庆 青岛"),
}
