#!/usr/bin/env bash
# A small set of tests with compilation off, and with bounds checks in every kernel; each with a cache of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
tests=(tests/test_cases.py tests/test_optim.py tests/kernels/test_sums.py tests/kernels/test_recurrence.py
       tests/decoding/test_sampling.py tests/decoding/test_beam.py tests/models/test_decode_kernel.py
       tests/models/test_int8.py tests/ops/test_viterbi.py tests/text/test_merges.py
       tests/training/test_average.py)

echo "with compilation off"
NUMBA_DISABLE_JIT=1 NUMBA_CACHE_DIR="$cache/plain" python -m pytest -q "${tests[@]}"

# Work is split as for two threads, but one does all of it: an error that another thread raises is lost.
# Without float32, because a kernel has one source for both dtypes and compiling takes most of the time.
echo "with bounds checks"
NUMBA_BOUNDSCHECK=1 NUMBA_NUM_THREADS=2 OMP_THREAD_LIMIT=1 NUMBA_CACHE_DIR="$cache/bounds" \
    python -m pytest -q "${tests[@]}" -k "not float32"

python - "$cache/bounds" <<'END'
"""Every kernel has to have been compiled by then: each leaves its index in the cache."""
import ast
import pathlib
import sys

compiled = {path.name.split("-")[0] for path in pathlib.Path(sys.argv[1]).rglob("*.nbi")}
missing = [
    f"{path}: {function.name}" for path in sorted(pathlib.Path("tinyllm").rglob("*.py"))
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(function, ast.FunctionDef)
    and any(ast.unparse(decorator).split("(")[0] == "jit" for decorator in function.decorator_list)
    and f"{path.stem}.{function.name}" not in compiled]
if missing:
    sys.exit("kernels that no test of tests/plain.sh runs:\n    " + "\n    ".join(missing))
END
