import numpy as np
import pytest

from tinyllm.data.made.splits import SPLITS, collect, generator, part


def test_a_meaning_belongs_to_the_same_split_for_ever():
    """Were it otherwise, data of two versions could not be told apart: these were computed once."""
    assert [part("number", n) for n in range(4510, 4520)] == ["dev", *["train"] * 8, "test"]


def test_about_a_tenth_each():
    parts = [part("number", n) for n in range(20_000)]
    assert all(0.09 < parts.count(split) / len(parts) < 0.11 for split in ("dev", "test"))


def test_the_splits_of_a_seed_draw_independently():
    drawn = {tuple(generator(3, split).integers(1000, size=4)) for split in SPLITS}
    assert len(drawn) == 3
    again = [generator(3, "dev").integers(1000, size=4) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_collect_keeps_order_and_leaves_out_what_came_before():
    draws = iter([3, 1, 3, 2, 7])
    assert collect("f", 3, lambda: next(draws)) == [3, 1, 2]


def test_collect_gives_up():
    with pytest.raises(ValueError, match="f: count must be at most about 1, which is all there is, got 2"):
        collect("f", 2, lambda: 5)
