import os
import warnings

import pytest

from tests.process import run_python
from tinyllm.kernels import jit

pytestmark = pytest.mark.skipif(not jit.compiling(), reason="nothing is compiled")

TWO_KERNELS = """
import sys
sys.stderr = sys.stdout
import numpy as np
from tinyllm.kernels import packing
panels = np.empty(packing.panels_shape(3, 4))
packing.pack(np.ones((3, 4)), panels)
print(panels.sum())
"""
MESSAGE = "tinyllm: compiling kernels for this machine (once; later runs start from the cache)"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our own with one kernel, one op and one file that compiles nothing."""
    folder = tmp_path / "tinyllm"
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / "gemm.py").write_text("one")
    (folder / "op.py").write_text("from tinyllm.kernels.jit import jit")
    (folder / "plain.py").write_text("import math")
    monkeypatch.setattr(jit, "PACKAGE", folder)
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TINYLLM_VECTORS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def cache_folder():
    """What a new process would find."""
    return jit.cache_folder.__wrapped__()


@pytest.mark.parametrize("file, changes", [("kernels/gemm.py", True), ("op.py", True), ("plain.py", False)])
def test_an_edit_of_any_kernel_changes_the_hash(package, file, changes):
    before = jit.source_hash()
    assert before == jit.source_hash() and len(before) == 16
    with open(package / file, "a", encoding="utf-8") as edited:
        edited.write("\n")
    assert (jit.source_hash() != before) == changes


def test_other_code_from_the_same_source_has_another_hash(package, monkeypatch):
    hashes = {jit.source_hash()}
    for vectors in ("avx2", "neon"):
        monkeypatch.setenv("TINYLLM_VECTORS", vectors)
        hashes.add(jit.source_hash())
    monkeypatch.setattr("numba.config.BOUNDSCHECK", 1)
    hashes.add(jit.source_hash())
    assert len(hashes) == 4


def test_the_cache_lies_beside_the_package(package):
    assert cache_folder() == package / "__pycache__" / f"kernels-{jit.source_hash()}"
    assert cache_folder().is_dir()


def test_a_chosen_folder_goes_first(package, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert cache_folder().parent == tmp_path / "chosen"


def make_read_only(package):
    """A file where the folder would be: unlike permissions, it stops the administrator as well."""
    (package / "__pycache__").write_text("")


def test_a_read_only_install_uses_the_users_folder(package, tmp_path, monkeypatch):
    make_read_only(package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_folder().parent == tmp_path / "user" / "tinyllm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder().parent == tmp_path / "home" / ".cache" / "tinyllm"


def test_where_nothing_can_be_written_there_is_no_cache(package, tmp_path, monkeypatch):
    make_read_only(package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(package / "op.py"))
    with pytest.warns(RuntimeWarning, match="no folder for compiled kernels can be written") as caught:
        assert cache_folder() is None
    assert len(caught) == 1


def test_a_user_without_a_home(package, monkeypatch):
    make_read_only(package)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python does where it finds none
    with pytest.warns(RuntimeWarning, match=r"\(tried [^,]*__pycache__\)"):
        assert cache_folder() is None


def test_without_a_cache_kernels_run_after_one_warning(tmp_path):
    """Every kernel asks for the folder; the warning comes once."""
    (tmp_path / "file").write_text("")
    lines = run_python("-c", TWO_KERNELS, NUMBA_CACHE_DIR=str(tmp_path / "file" / "folder")).splitlines()
    assert lines[-1] == "12.0"
    assert lines.count(MESSAGE) == 1


def test_the_message_comes_once_and_never_from_the_cache(tmp_path):
    for times in (1, 0):
        lines = run_python("-c", TWO_KERNELS, NUMBA_CACHE_DIR=str(tmp_path)).splitlines()
        assert lines.count(MESSAGE) == times
        assert lines[-1] == "12.0"


def test_one_warning_in_all(tmp_path):
    code = ("import warnings\n"
            "with warnings.catch_warnings(record=True) as caught:\n"
            "    warnings.simplefilter('always')\n"
            "    from tinyllm.kernels import gemm\n"
            "print([str(w.category.__name__) for w in caught])")
    (tmp_path / "file").write_text("")
    assert run_python("-c", code, NUMBA_CACHE_DIR=str(tmp_path / "file")) == "['RuntimeWarning']"
