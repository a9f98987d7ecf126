import threading

import numpy as np
import pytest

from tinyllm.kernels import scratch


@pytest.fixture(autouse=True)
def empty_pool():
    scratch.release()
    yield
    scratch.release()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_an_array_of_this_size_and_dtype_on_a_cache_line(size, dtype):
    array = scratch.take("name", size, dtype)
    assert (array.shape, array.dtype) == ((size,), dtype)
    assert array.flags.writeable and array.flags.c_contiguous
    assert size == 0 or array.ctypes.data % scratch.ALIGNMENT == 0


def test_the_same_name_is_the_same_memory():
    first = scratch.take("name", 100, np.float32)
    assert np.shares_memory(first, scratch.take("name", 50, np.float32))
    for other in (scratch.take("other", 100, np.float32), scratch.take("name", 100, np.float64)):
        assert not np.shares_memory(first, other)


def test_it_grows_and_is_given_back():
    scratch.take("name", 10, np.float64)
    scratch.take("name", 100, np.float64)
    scratch.take("name", 50, np.float64)
    assert scratch.held() == 800
    scratch.release()
    assert scratch.held() == 0


def test_every_thread_has_its_own():
    mine, theirs = scratch.take("name", 10, np.float64), []
    thread = threading.Thread(target=lambda: theirs.append(scratch.take("name", 10, np.float64)))
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, theirs[0])
    assert scratch.held() == 80
