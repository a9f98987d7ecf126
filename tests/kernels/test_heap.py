import platform

import pytest

from tests.process import run_python

# eight times a few arrays: a page fault every 4 KB of each, or of the first ones alone
FAULTS = """
import resource, sys
import numpy as np
way, count, size = sys.argv[1], *map(int, sys.argv[2:])
if way == "kept":
    import tinyllm.kernels
for _ in range(8):
    arrays = [np.ones(size // 8) for _ in range(count)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
@pytest.mark.parametrize("count, size", [(40, 2 << 20), (2, 48 << 20)])
def test_freed_memory_is_used_again(count, size):
    kept, given_back = (int(run_python("-c", FAULTS, way, str(count), str(size))) for way in ("kept", "given back"))
    assert kept < given_back / 2
