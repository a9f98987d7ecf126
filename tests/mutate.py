"""Do the tests notice when a backward formula is wrong?  `python -m tests.mutate [NAME...]`

The files of the ops, and of the kernels that several ops walk backward through, are broken in every way that
mutants.py knows, one change at a time, in a copy of the project.  There the op's tests run with compilation off:
its cases (formula against kernel, gradient check) and, where these notice nothing, its test file.  Memory that
nobody has written is nan, so that what is never set, or read from elsewhere, is seen each time.

Prints a table, and every mutant that was not noticed; exit 1 where less than SHARE of an op's were.
NAME: a file without its folder, such as gru (default: all).
"""
import argparse
import ast
import compileall
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from tests.mutants import called_backward, mutants

ROOT = Path(__file__).resolve().parent.parent
SHARE = 0.95
WORKERS = 2
SECONDS = 60  # for the tests of an op that is not broken; a mutant that takes twice as long hangs: it is noticed
KERNELS = {"recurrence": ["rnn", "gru", "lstm"],
           "sums": ["linear", "rnn", "linear_cross_entropy", "embedding", "embedding_bag"]}
ALSO = {"softmax": ["attention"]}  # ops that walk backward through a file of another op
NO_BITS = "not bits and not alone"  # where compilation is off, NumPy's product has other bits for other shapes
MODULES = ["numpy", "numba", "numba.extending", "llvmlite.binding", "threadpoolctl", "pytest", "hypothesis"]


class Target(NamedTuple):
    """A file to break: its name, its path below tinyllm, the ops whose cases check it, its test files."""

    name: str
    path: str
    ops: list
    tests: list


def targets():
    """Every file with backward code."""
    found = []
    for path in sorted((ROOT / "tinyllm/ops").glob("[!_]*.py")):
        functions = [f.name for f in ast.parse(path.read_text(encoding="utf-8")).body
                     if isinstance(f, ast.FunctionDef)]
        ops = ALSO.get(path.stem, [])
        found.append(Target(path.stem, f"ops/{path.name}", [*functions, *ops],
                            [f"ops/test_{name}.py" for name in (path.stem, *ops)]))
    for name, ops in KERNELS.items():
        tests = [f"ops/test_{op}.py" for op in ops] + [f"kernels/test_{name}.py"]
        found.append(Target(name, f"kernels/{name}.py", ops, tests))
    return found


def broken(target):
    """Every Mutant of a target."""
    called = set()
    if target.name in KERNELS:
        called.update(*(called_backward(path.read_text(encoding="utf-8"))
                        for path in (ROOT / "tinyllm/ops").glob("*.py")))
    return mutants((ROOT / "tinyllm" / target.path).read_text(encoding="utf-8"), called)


def make_copy(folder):
    """The project's code in a folder, where it can be broken."""
    for name in ("tinyllm", "tests"):
        shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    compileall.compile_dir(folder, quiet=1)


def start(folder, target, source, seconds):
    """The id of a process that runs the target's tests in this folder with this source; it exits with 0 if
    they pass, 1 or a signal if not.  A process, because a module can be imported only once; forked, because
    loading NumPy, Numba and pytest takes longer than most tests."""
    path = Path(folder, "tinyllm", target.path)
    path.write_text(source, encoding="utf-8")
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)  # times are too coarse to tell it is old
    child = os.fork()
    if child:
        return child
    signal.alarm(seconds)
    status = 1
    try:
        os.chdir(folder)
        sys.path[:] = [str(folder), *(place for place in sys.path if Path(place).resolve() != ROOT)]
        for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
            del sys.modules[name]
        output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        status = 0 if passes(target) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def passes(target):
    """Whether the target's tests pass, in the process and the folder of a copy; an exception is a no as well."""
    forget_memory()
    import numpy as np
    import pytest

    from tests import test_cases
    from tinyllm.cases import CASES
    from tinyllm.ops import PRIMITIVES
    cases = [case for case in CASES if case.op in target.ops]
    for case in cases:
        if case.op not in PRIMITIVES:
            test_cases.test_kernel_equals_formula(case, np.float64)
    for case in cases:
        test_cases.test_gradients(case)
    files = [str(path) for test in target.tests if (path := Path("tests", test)).exists()]
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-k", NO_BITS]
    return not files or pytest.main([*options, *files]) == 0


def forget_memory():
    """From here on, memory that NumPy or the pool gives without content is full of nan."""
    import numpy as np

    from tinyllm.kernels import scratch

    def emptied(make):
        def make_nan(*args, **kwargs):
            array = make(*args, **kwargs)
            if array.dtype.kind == "f":
                array.fill(np.nan)
            return array
        return make_nan

    np.empty, np.empty_like, scratch.take = emptied(np.empty), emptied(np.empty_like), emptied(scratch.take)


def run(jobs):
    """Run (target, source, seconds) for each job, WORKERS at a time; yields (number of the job, whether they
    passed, what they printed)."""
    with tempfile.TemporaryDirectory() as folder:
        free = [Path(folder, str(worker)) for worker in range(WORKERS)]
        for copy in free:
            make_copy(copy)
        running = {}

        def finished():
            child, status = os.wait()
            number, copy = running.pop(child)
            target = jobs[number][0]
            shutil.copy(ROOT / "tinyllm" / target.path, copy / "tinyllm" / target.path)
            free.append(copy)
            return number, status == 0, Path(copy, "output").read_text(encoding="utf-8")

        try:
            for number, job in enumerate(jobs):
                if not free:
                    yield finished()
                copy = free.pop()
                running[start(copy, *job)] = number, copy
            while running:
                yield finished()
        finally:
            for child in running:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="files to break, such as gru (default: all)")
    known = {target.name: target for target in targets()}
    names = parser.parse_args(arguments).names or list(known)
    if not {*names} <= {*known}:
        parser.error(f"NAME must be among {', '.join(known)}, got {', '.join({*names} - {*known})}")
    for module in MODULES:
        importlib.import_module(module)
    began = time.perf_counter()
    chosen = [known[name] for name in names]
    whole = [(t, (ROOT / "tinyllm" / t.path).read_text(encoding="utf-8"), SECONDS) for t in chosen]
    for number, passed, output in run(whole):
        if not passed:
            print(f"{output[-2000:]}\nthe tests of {chosen[number].name} fail, or take more than "
                  f"{SECONDS} seconds, with nothing broken")
            return 1
    changes = [(target, mutant) for target in chosen for mutant in broken(target)]
    jobs = [(target, mutant.source, 2 * SECONDS) for target, mutant in changes]
    missed = sorted(number for number, passed, _ in run(jobs) if passed)
    print(f"{'':22}{'mutants':>8}{'caught':>8}{'share':>8}")
    enough = True
    for target in chosen:
        total = sum(t is target for t, _ in changes)
        survivors = [changes[number][1] for number in missed if changes[number][0] is target]
        share = 1 - len(survivors) / max(total, 1)
        enough = enough and share >= SHARE
        print(f"{target.name:22}{total:8}{total - len(survivors):8}{share:8.1%}")
        for mutant in survivors:
            print(f"    {target.path}:{mutant.line}\n        - {mutant.before}\n        + {mutant.after}")
    print(f"{len(changes)} mutants in {time.perf_counter() - began:.0f} seconds")
    return 0 if enough else 1


if __name__ == "__main__":
    os.environ.update(NUMBA_DISABLE_JIT="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    sys.exit(main())
