"""How kernels are compiled: flags, the cache on disk, the message at the first compilation.

    @jit                    one thread, called from other kernels or from Python
    @jit(parallel=True)     with prange; called from Python only, never from another kernel

Flags.  error_model="numpy" because a division that may raise keeps a loop from being vectorised.
FASTMATH allows the compiler to fuse a product into a sum and to reorder sums (a vectorised sum needs it), but
not to assume that there is no nan and no inf (nnan, ninf): masks are -inf.  ELEMENTWISE is for what sums over no loop:
nothing is gained there by reordering, and each copy of an inlined function may be reordered otherwise.

Cache.  Numba's own cache does not notice an edit in a kernel of another file, and every op calls the product
of another file; nor does it notice another choice of vectors (tile.py) or NUMBA_BOUNDSCHECK.  So the cache
lies in a folder named after a hash of all the kernels' sources and of these choices, in NUMBA_CACHE_DIR if
that is set, else in __pycache__ beside the package, else (a read-only install) in the user's cache folder, else
nowhere, with one warning.
"""
import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numba
from llvmlite.binding import Linkage
from numba.core import event, sigutils
from numba.core.caching import FunctionCache
from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
ELEMENTWISE = FASTMATH - {"reassoc"}
PACKAGE = Path(__file__).resolve().parent.parent


def compiling():
    """Whether kernels are compiled at all: NUMBA_DISABLE_JIT=1 runs them as plain Python."""
    return not numba.config.DISABLE_JIT


def source_hash():
    """16 hex digits over every source file that holds kernels and over what else decides their code."""
    choices = numba.__version__, os.environ.get("TINYLLM_VECTORS"), numba.config.BOUNDSCHECK
    digest = hashlib.sha256(repr(choices).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"kernels.jit" in source or path.parent.name == "kernels":
            digest.update(str(path.relative_to(PACKAGE)).encode())
            digest.update(source)
    return digest.hexdigest()[:16]


def _writable(folder):
    """Whether files can be made in this folder; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@functools.cache
def cache_folder():
    """The folder of compiled kernels, or None where no place can be written to."""
    first, home = os.environ.get("NUMBA_CACHE_DIR"), os.path.expanduser("~")
    places = [Path(first)] if first else [PACKAGE / "__pycache__"]
    if not first and (os.environ.get("XDG_CACHE_HOME") or home != "~"):  # "~": this user has no home
        places.append(Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache") / "tinyllm")
    for place in places:
        folder = place / f"kernels-{source_hash()}"
        if _writable(folder):
            return folder
    warnings.warn(
        f"tinyllm: no folder for compiled kernels can be written (tried {', '.join(map(str, places))}), "
        "so they are compiled anew in every process", RuntimeWarning, stacklevel=2)
    return None


class _Announcer(event.Listener):
    """Says once, at the first kernel of ours that is really compiled, what the wait is for."""

    def __init__(self):
        self.said = False

    def on_start(self, event):
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith("tinyllm."):
            self.said = True
            print("tinyllm: compiling kernels for this machine (once; later runs start from the cache)",
                  file=sys.stderr, flush=True)

    def on_end(self, event):
        pass


if compiling():
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # omp forks in 2 us, workqueue in 80
    event.register("numba:compile", _Announcer())


@contextlib.contextmanager
def _own_copies():
    """While compiling: what is linked into a kernel stays that kernel's own.

    Numba lets kernels share copies of what they inline, each optimised where it was linked, and which one runs
    depends on what was loaded before.  Sums would then have one order in the run that compiles, another later.
    """
    optimize = CPUCodeLibrary._optimize_final_module

    def optimize_own(library):
        for function in library._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "internal"
        optimize(library)
    CPUCodeLibrary._optimize_final_module = optimize_own
    try:
        yield
    finally:
        CPUCodeLibrary._optimize_final_module = optimize


def _with_own_copies(compile_):
    """The compile method of a kernel that has no cache."""
    def compile_own(sig):
        with global_compiler_lock, _own_copies():
            return compile_(sig)
    return compile_own


class _Cache(FunctionCache):
    """Numba's cache of a kernel, which compiles what it does not hold with copies of its own.

    Numba asks it while it holds the lock of its compiler, so no other thread compiles meanwhile.
    """

    def __init__(self, dispatcher):
        super().__init__(dispatcher.py_func)
        self.dispatcher = dispatcher

    def load_overload(self, sig, target_context):
        found = super().load_overload(sig, target_context)
        if found is None:
            with event.trigger_event("numba:compile", data={"dispatcher": self.dispatcher}), _own_copies():
                compiled = self.dispatcher._compiler.compile(*sigutils.normalize_signature(sig))
            self.save_overload(sig, compiled)
            found = super().load_overload(sig, target_context)
        return found


def jit(function=None, *, parallel=False, **options):
    """Compile a function over arrays with the flags and the cache above; a decorator."""
    if function is None:
        return lambda f: jit(f, parallel=parallel, **options)
    if not compiling():
        return function
    options = {"fastmath": FASTMATH, "error_model": "numpy", "nogil": True, **options}
    folder = cache_folder()
    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(folder or "")
        dispatcher = numba.njit(parallel=parallel, **options)(function)
        if folder is not None:
            dispatcher._cache = _Cache(dispatcher)
        else:
            dispatcher.compile = _with_own_copies(dispatcher.compile)
        return dispatcher
    finally:
        numba.config.CACHE_DIR = before
