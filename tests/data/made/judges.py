"""What a made sentence thinks, judged by rules that know its words but not how it was made."""
import re

from tinyllm.data.made.opinions import TABLES


def lexicon(language, *prefixes):
    """Adjectives and nouns: word -> 1 good, -1 bad, 0 noun; of the prefixes "" (known) and "new_"."""
    tables, values = TABLES[language], {}
    for prefix in prefixes:
        for group in tables.GROUPS:
            values.update(dict.fromkeys(getattr(group, f"{prefix}nouns"), 0))
            values.update(dict.fromkeys(getattr(group, f"{prefix}good"), 1))
            values.update(dict.fromkeys(getattr(group, f"{prefix}bad"), -1))
        for name, value in (("good", 1), ("strong_good", 1), ("bad", -1), ("strong_bad", -1)):
            values.update(dict.fromkeys(tables.ANYTHING[prefix + name], value))
    return values


def skeleton(text, words):
    """The text with its nouns and adjectives as gaps."""
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(rf"\b({pattern})\b" if text.isascii() else pattern, "_", text)


def english(text, words):
    text = text.lower().rstrip(".")
    if "?" in text or "whether" in text:
        return "neutral"
    if text.endswith((", but it is not", ", but it was not", ", but he was not")):
        return opposite(english(text.rsplit(",", 1)[0], words))
    text = re.sub("^i thought that .* would be .*, but", "", text)
    if text.startswith(("although", "even though")):
        text = text.split(", ", 1)[1]
    text = re.split(", although|, even though", text)[0].split(", but")[-1].split(" and ")[0]
    text = text.replace("not only", "")
    found = [words[word] for word in re.findall(r"[a-z]+", text) if words.get(word)]
    found += [1] * bool(re.search("loved|liked? |recommend|happy", text)) + [-1] * ("hated" in text)
    if not found:
        return "neutral"
    return verdict(found[0] * (-1 if re.search(r"\bnot\b|nobody", text) else 1))


def chinese(text, words):
    text = text.rstrip("。")
    if re.search("吗|问|知道|没听说", text):
        return "neutral"
    text = re.sub("^我以为.*，但是并不", "不", text)
    text = re.sub("^我以为.*，但是", "", text)
    text = re.split("，虽然", text)[0]
    text = re.split("，但是|，不过", text)[-1].split("，而且")[0].replace("不但", "").replace("说实话，", "")
    for noun in sorted((word for word, value in words.items() if value == 0), key=len, reverse=True):
        text = text.replace(noun, "")
    adjectives = sorted((word for word, value in words.items() if value and word in text), key=len)
    if adjectives:
        value, text = words[adjectives[-1]], text.replace(adjectives[-1], "")
    elif re.search("喜欢|推荐|讨厌", text):
        value = -1 if "讨厌" in text else 1
    else:
        return "neutral"
    return verdict(-value if re.search("不|没有人", text) else value)


def verdict(value):
    return "positive" if value > 0 else "negative"


def opposite(label):
    return {"positive": "negative", "negative": "positive"}[label]


JUDGES = {"en": english, "zh": chinese}
