import platform

import pytest

from tests.process import run_python

# eight times 40 arrays of 2 MB: a page fault every 4 KB of each, or of the first 40 alone
FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "kept":
    import tinyllm.kernels
for _ in range(8):
    arrays = [np.ones(1 << 18) for _ in range(40)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
def test_freed_memory_is_used_again():
    kept, given_back = (int(run_python("-c", FAULTS, way)) for way in ("kept", "given back"))
    assert kept < given_back / 2
