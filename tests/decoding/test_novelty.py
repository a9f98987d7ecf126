import time

import numpy as np
import pytest

from tinyllm.decoding.novelty import novel_share


def test_worked_example():
    """Pieces abc bcd cde: bcd and cde stand in the training text, abc does not."""
    assert novel_share("abcde", "xbcdex", size=3) == pytest.approx(1 / 3)


def test_repeated_pieces_count_each_time():
    """aaa aaa aab: two of three pieces are new."""
    assert novel_share("aaaab", "aab", size=3) == pytest.approx(2 / 3)


def test_words():
    """Pieces (the cat) (cat ran): white space does not matter, order does."""
    assert novel_share("the cat\nran", "a cat  ran to the dog", size=2, unit="word") == 0.5
    assert novel_share("cat the", "the cat", size=2, unit="word") == 1


def test_copied_text_is_not_new_and_other_text_is():
    training = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer"
    assert novel_share(training[10:60], training) == 0
    assert novel_share("x" * 30, training) == 1


def test_a_text_without_a_piece_has_no_share():
    assert novel_share("short", "some text") is None
    assert novel_share("only four words here", "some text", size=5, unit="word") is None


def test_chinese_counts_characters():
    assert novel_share("床前明月光", "床前明月夜", size=2) == 0.25


def test_a_megabyte_takes_no_time(rng):
    training = rng.integers(97, 123, 1_000_000, np.uint8).tobytes().decode()
    generated = training[500_000:510_000] + "?" * 20
    start = time.perf_counter()
    share = novel_share(generated, training)
    assert time.perf_counter() - start < 2
    assert share == 20 / 10_001  # the 20 pieces that hold a question mark


@pytest.mark.parametrize("wrong, message", [
    ({"size": 0}, "novel_share: size must be at least 1, got 0"),
    ({"unit": "line"}, "novel_share: unit must be character or word, got 'line'"),
])
def test_wrong_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        novel_share("a", "b", **wrong)


def test_no_piece_spans_two_texts():
    copied = "0123456789" * 4
    assert novel_share([copied, copied], copied) == 0
    assert novel_share(copied[5:] + copied[3:], copied) > 0
