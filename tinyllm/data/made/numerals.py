"""Numbers from 0 to 999,999 in words, English and Chinese.

    10,050   ten thousand and fifty                       一万零五十
    22,222   twenty-two thousand two hundred and ...      两万两千两百二十二

One way of several that are right, always the same, so that there is one translation:

- English has "and" before the last two digits, as in Britain: two thousand and five.
- 2 is 两 before 百, 千 and 万 (两百, 两千, 两万) and 二 elsewhere (二十, 十二, 十二万); before a measure word a 2 alone is 两
  (两本书, but 十二本书, 二十二本书).
- Zeros within a group of four digits, or at the start of the lower group, are one 零; at the end of a group
  they are not read: 一千零五, 一万零五百, 十万五千.
- 10..19 begin with 十 where nothing stands before (十二, 十二万) and with 一十 elsewhere (一百一十二, 一万零一十).
"""
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
DIGITS = "零一二三四五六七八九"
UNITS = ((1000, "千"), (100, "百"), (10, "十"), (1, ""))


def english(n):
    """0..999,999 in English words."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    size, unit = (100, "hundred") if n < 1000 else (1000, "thousand")
    high, low = divmod(n, size)
    words = f"{english(high)} {unit}"
    return words if not low else f"{words} and {english(low)}" if low < 100 else f"{words} {english(low)}"


def chinese(n):
    """0..999,999 in Chinese characters, 2 alone being 二."""
    if n == 0:
        return "零"
    high, low = divmod(n, 10_000)
    if not high:
        return _group(low, first=True)
    return counted(high) + "万" + ("零" if 0 < low < 1000 else "") + _group(low, first=False)


def counted(n):
    """0..999,999 in Chinese characters before a measure word, 2 alone being 两."""
    return "两" if n == 2 else chinese(n)


def _group(n, first):
    """0..9,999, with nothing for 0; first: no digit stands before."""
    text, gap = "", False
    for size, unit in UNITS:
        digit, n = divmod(n, size)
        if not digit:
            gap = bool(text)
            continue
        if gap:
            text += "零"
        gap = False
        if digit == 2 and size >= 100:
            text += "两"
        elif not (digit == 1 and size == 10 and first and not text):
            text += DIGITS[digit]
        text += unit
    return text
