"""Same seed, same machine: the same to the last bit, however many threads there are and wherever kernels come from."""
import pytest

from tests.repeat import MODELS, digests


def test_the_number_of_threads_changes_no_bit():
    one, three = digests(1), digests(3)
    assert list(one) == list(MODELS)
    assert one == three


@pytest.mark.slow
def test_a_cold_cache_changes_no_bit(tmp_path):
    assert digests(2, tmp_path) == digests(2, tmp_path) == digests(1)
