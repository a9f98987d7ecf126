import numba
import pytest
import threadpoolctl

from tinyllm.kernels import threads


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_both_kinds_of_threads_are_limited_and_put_back():
    before, blas_before = threads.count(), blas_threads()
    with threads.limited(1):
        assert threads.count() == 1
        assert blas_threads() == {1}
    assert threads.count() == before
    assert blas_threads() == blas_before


def test_they_are_put_back_after_an_error():
    before = threads.count()
    with pytest.raises(ZeroDivisionError), threads.limited(1):
        1 / 0
    assert threads.count() == before


@pytest.mark.parametrize("number", [0, -1, numba.config.NUMBA_NUM_THREADS + 1])
def test_a_wrong_number_is_named(number):
    most = numba.config.NUMBA_NUM_THREADS
    with pytest.raises(ValueError, match=f"threads: must be in 1..{most} on this machine, got {number}"):
        with threads.limited(number):
            pytest.fail("it was taken")
