import pytest

from tinyllm.data.made.numerals import chinese, counted, english

NUMBERS = [
    (0, "zero", "零"), (2, "two", "二"), (10, "ten", "十"), (12, "twelve", "十二"), (20, "twenty", "二十"),
    (22, "twenty-two", "二十二"), (100, "one hundred", "一百"), (102, "one hundred and two", "一百零二"),
    (110, "one hundred and ten", "一百一十"), (112, "one hundred and twelve", "一百一十二"),
    (200, "two hundred", "两百"), (250, "two hundred and fifty", "两百五十"), (1000, "one thousand", "一千"),
    (1005, "one thousand and five", "一千零五"), (1010, "one thousand and ten", "一千零一十"),
    (1100, "one thousand one hundred", "一千一百"), (2002, "two thousand and two", "两千零二"),
    (2022, "two thousand and twenty-two", "两千零二十二"), (10_000, "ten thousand", "一万"),
    (10_050, "ten thousand and fifty", "一万零五十"), (10_500, "ten thousand five hundred", "一万零五百"),
    (12_000, "twelve thousand", "一万两千"), (20_000, "twenty thousand", "两万"),
    (22_222, "twenty-two thousand two hundred and twenty-two", "两万两千两百二十二"),
    (100_000, "one hundred thousand", "十万"), (100_003, "one hundred thousand and three", "十万零三"),
    (105_000, "one hundred and five thousand", "十万五千"), (120_000, "one hundred and twenty thousand", "十二万"),
    (200_000, "two hundred thousand", "二十万"), (220_000, "two hundred and twenty thousand", "二十二万"),
    (305_060, "three hundred and five thousand and sixty", "三十万五千零六十"),
    (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine", "九十九万九千九百九十九")]


@pytest.mark.parametrize("n, words, characters", NUMBERS)
def test_worked_examples(n, words, characters):
    assert (english(n), chinese(n)) == (words, characters)


@pytest.mark.parametrize("n, characters", [(1, "一"), (2, "两"), (12, "十二"), (22, "二十二"), (200, "两百")])
def test_before_a_measure_word(n, characters):
    assert counted(n) == characters


def test_no_two_numbers_are_written_alike():
    numbers = range(0, 1_000_000, 37)
    assert len({english(n) for n in numbers}) == len({chinese(n) for n in numbers}) == len(numbers)


def test_characters_can_be_read_back():
    """By a reader of its own: each digit times its unit, 万 times what stands before."""
    digits = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
    units = {"十": 10, "百": 100, "千": 1000}
    for n in range(0, 1_000_000, 77):
        total = group = 0
        digit = None
        for character in chinese(n):
            if character in units:
                group += (1 if digit is None else digit) * units[character]
                digit = None
            elif character == "万":
                total, group, digit = (group + (digit or 0)) * 10_000, 0, None
            else:
                digit = digits[character] or None
        assert total + group + (digit or 0) == n
