"""Simple sentences, English and Chinese, each in its own word order.

    who              when       where     does what                            who  when  where  does what
    My mother        yesterday  at home   drank two cups of tea                我妈妈 昨天  在家    喝了两杯茶
    (English: who, does what, where, when)

Five kinds of sentence, each drawn as (meaning, English, Chinese):

- action: a subject, a verb with its object, a place or a manner, a time.  Habits, the past (了, 没), the future
  (要, 不), what is happening (正在), wishes (想); statements, negations, questions (吗).  "For two hours" stands
  between verb and object in Chinese, 学了两个小时中文.
- owning: 我有两只猫.  profession: 她不是医生.
- being there: 桌子上有三本书.
- quality: 这两本书很贵, 太贵了, 不贵; an adjective alone needs 很.

The meaning, on which `splits.part` decides, is (subject, verb, object, time), (subject, thing), (subject,
profession), (place, thing) and (thing, adjective).  So a sentence of the test part never differs from one of
the training part in a "not", a number, a place or a question mark alone: the combination at its core was
never seen.

Past and future always have their time, "you" is one person, animals are not asked about: no English sentence
here has two translations, nor has a Chinese one.
"""
from tinyllm.data.made.actions import ACTIONS, JOBS, OFTEN, OWNED, PEOPLE, QUALITIES, SPOTS, SUBJECTS, TIMES
from tinyllm.data.made.numerals import counted, english
from tinyllm.data.made.splits import pick
from tinyllm.data.made.things import Thing, a

TENSES = {"habit": "present", "past": "past", "future": "future", "wish": "future"}


def action(rng):
    """Somebody does something: a habit, in the past or the future, just now, or as a wish."""
    deed = pick(rng, ACTIONS)
    thing = pick(rng, deed.objects)
    mood = pick(rng, ("habit", "habit", "past", "past", "future", "future", "now", "wish"))
    form = "yes" if mood == "now" else pick(rng, ("yes", "yes", "no", "ask"))
    subject = _subject(rng, SUBJECTS, form)
    where = pick(rng, deed.adverbs) if rng.random() < 0.5 else ("", "")
    often, when = ("", ""), ("", "")
    if mood == "habit" and form == "yes" and rng.random() < 0.4:
        often = pick(rng, OFTEN)
    elif mood in ("past", "future") or mood != "now" and rng.random() < 0.8:
        when = pick(rng, TIMES[TENSES[mood], deed.far])
    if mood == "habit" and form == "no" and when[0].startswith("every"):
        when = ("", "")  # not every day, or never?
    whole = (deed.verb[0], thing.any if isinstance(thing, Thing) else thing.english)
    meaning = ("action", subject.english, *whole, when[0] or often[0])
    what = _object(rng, deed.verb[0], thing, mood, form)
    return (meaning, _english_action(deed, subject, mood, form, what[0], where[0], when[0], often[0]),
            _chinese_action(deed, subject, mood, form, what, where[1], when[1], often[1]))


def _subject(rng, subjects, form):
    return pick(rng, [subject for subject in subjects if form != "ask" or subject.asked])


def _object(rng, verb, thing, mood, form):
    """(English, Chinese before the object, Chinese object): "two cups of tea", 两杯, 茶; "tea", "", 茶."""
    if isinstance(thing, Thing):
        if form != "yes" or mood == "habit" or mood == "now" and verb == "sell":
            return thing.any, "", thing.chinese
        count = 1 if mood == "now" else int(rng.integers(1, 5))
        words = a(thing.one) if count == 1 else f"{english(count)} {thing.many}"
        return words, f"{'一' if count == 1 else counted(count)}{thing.measure}", thing.chinese
    if mood == "past" and form == "yes" and thing.lasts:
        hours = int(rng.integers(1, 4))
        lasting = "for an hour" if hours == 1 else f"for {english(hours)} hours"
        return (thing.english, lasting), f"{'一' if hours == 1 else counted(hours)}个小时", thing.chinese
    return thing.english, "", thing.chinese


def _english_action(deed, subject, mood, form, what, where, when, often):
    base, third, past, ing = deed.verb
    singular = subject.be == "is"
    do = "does" if singular else "do"
    if mood == "past":
        do = "did"
    elif mood == "future":
        do = "will"
    elif mood == "wish":
        base, third = f"want to {base}", f"wants to {base}"
    if form == "no":
        verb = f"{do} not {base}"
    elif form == "ask":
        verb = base
    else:
        verb = {"past": past, "future": f"will {base}", "now": f"{subject.be} {ing}"}.get(
            mood, third if singular else base)
    what, lasting = (what, "") if isinstance(what, str) else what
    words = [subject.english, often, verb, what, where, lasting, when]
    if form == "ask":
        words.insert(0, do)
    return _sentence(words, form)


def _chinese_action(deed, subject, mood, form, what, where, when, often):
    verb, (_, amount, thing) = deed.chinese, what
    before = {"habit": "不", "past": "没", "future": "不", "wish": "不想"}[mood] if form == "no" else {
        "future": "要", "wish": "想"}.get(mood, "")
    if mood == "now":
        before = "正" if where.startswith("在") else "正在"
    if mood == "past" and form == "yes":
        verb += "了"
    end = {"ask": "了吗？" if mood == "past" else "吗？"}.get(form, "。")
    return subject.chinese + when + often + before + where + verb + amount + thing + end


def owning(rng):
    """Somebody has animals or things."""
    thing, form = pick(rng, OWNED), pick(rng, ("yes", "yes", "no", "ask"))
    subject = _subject(rng, SUBJECTS, form)
    do, has = ("does", "has") if subject.be == "is" else ("do", "have")
    meaning = ("owning", subject.english, thing.any)
    if form == "yes":
        words, characters = _some(rng, thing, most=5)
        return meaning, _sentence([subject.english, has, words]), f"{subject.chinese}有{characters}。"
    if form == "no":
        return (meaning, _sentence([subject.english, do, "not have any", thing.any]),
                f"{subject.chinese}没有{thing.chinese}。")
    return (meaning, _sentence([do, subject.english, "have any", thing.any], form),
            f"{subject.chinese}有{thing.chinese}吗？")


def profession(rng):
    """What somebody is."""
    (job, chinese), form = pick(rng, JOBS), pick(rng, ("yes", "yes", "no", "ask"))
    subject = _subject(rng, PEOPLE, form)
    words = [subject.english, subject.be, "not" if form == "no" else "", a(job)]
    if form == "ask":
        words = [subject.be, subject.english, a(job)]
    return (("profession", subject.english, job), _sentence(words, form),
            f"{subject.chinese}{'不' if form == 'no' else ''}是{chinese}{'吗？' if form == 'ask' else '。'}")


def being_there(rng):
    """What is somewhere."""
    where, chinese, inside = pick(rng, SPOTS)
    thing, form = pick(rng, inside), pick(rng, ("yes", "yes", "yes", "no", "ask"))
    meaning, be = ("there", where, thing.any), "are" if thing.plural else "is"
    if form == "yes":
        words, characters = _some(rng, thing, most=12)
        be = "is" if words.startswith(("a ", "an ")) else "are"
        return meaning, _sentence(["there", be, words, where]), f"{chinese}有{characters}。"
    if form == "no":
        return meaning, _sentence(["there", be, "no", thing.any, where]), f"{chinese}没有{thing.chinese}。"
    return meaning, _sentence([be, "there any", thing.any, where], form), f"{chinese}有{thing.chinese}吗？"


def quality(rng):
    """What this or those are like."""
    adjective, chinese, too, about = pick(rng, QUALITIES)
    thing, near, count = pick(rng, about), rng.random() < 0.5, max(1, int(rng.integers(-2, 5)))
    form = pick(rng, ("yes", "yes", "very", "no", "ask") + ("too", "too") * too)
    this, these, zhe = ("this", "these", "这") if near else ("that", "those", "那")
    subject = f"{this} {thing.one}" if count == 1 else f"{these} {english(count)} {thing.many}"
    be = "is" if count == 1 else "are"
    degree, before, after = {"yes": ("", "很", "。"), "very": ("very", "非常", "。"), "too": ("too", "太", "了。"),
                             "no": ("not", "不", "。"), "ask": ("", "", "吗？")}[form]
    words = [be, subject, adjective] if form == "ask" else [subject, be, degree, adjective]
    amount = "" if count == 1 else counted(count)
    return (("quality", thing.any, adjective), _sentence(words, form),
            f"{zhe}{amount}{thing.measure}{thing.chinese}{before}{chinese}{after}")


def _some(rng, thing, most):
    """One to `most` of a thing: "a cat", 一只猫; "two cats", 两只猫."""
    count = max(1, int(rng.integers(-1, most + 1)))
    words = a(thing.one) if count == 1 else f"{english(count)} {thing.many}"
    return words, f"{counted(count)}{thing.measure}{thing.chinese}"


def _sentence(words, form="yes"):
    """The words that are not empty, as a sentence."""
    text = " ".join(word for word in words if word)
    return text[0].upper() + text[1:] + ("?" if form == "ask" else ".")
