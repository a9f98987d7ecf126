"""Imports go one way, down the path that the data takes, and importing the package stays light."""
import ast
import configparser
import sys

import pytest

from tests.process import ROOT, run_python
from tinyllm.ops import COMPOSITES

ORDER = [
    "lazy", "shapes", "checked_json", "autograd", "kernels", "ops", "gradcheck", "nn", "optim", "text", "metrics",
    "decoding", "models", "cases", "data", "training", "tasks", "cli", "__main__"]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "tinyllm").rglob("*.py"))


def imports(path):
    """(line, module) for every import in a file, wherever it stands; `from tinyllm import x` is tinyllm.x."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide where a name comes from"
            for alias in node.names:
                yield node.lineno, f"tinyllm.{alias.name}" if node.module == "tinyllm" else node.module


def layer(path):
    """Which part of ORDER a file belongs to: tinyllm/ops/gru.py -> ops."""
    return path.parts[1].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_one_way(path):
    if path.name == "__init__.py" and len(path.parts) == 2:
        allowed = ["lazy"]
    else:
        assert layer(path) in ORDER, f"{path} has no place in the order of imports"
        allowed = ORDER[:ORDER.index(layer(path)) + 1]
    for line, name in imports(path):
        if name.startswith("tinyllm.") and name != "tinyllm.__version__":
            assert name.split(".")[1] in allowed, f"{path}:{line} imports {name}, which stands above it"


def test_only_the_packages_of_setup_cfg_are_imported():
    """None of the oracles, that is (torch, tokenizers, sacrebleu, seqeval), and no pickle."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    declared = {*settings["options"]["install_requires"].split(),
                *settings["options.extras_require"]["plot"].split(), "llvmlite"}  # llvmlite is half of numba
    for path in FILES:
        for line, name in imports(path):
            package = name.split(".")[0]
            known = package in {"tinyllm", *declared} or package in sys.stdlib_module_names
            assert known and package not in {"pickle", "shelve", "marshal"}, f"{path}:{line} imports {name}"


def test_import_is_light():
    code = "import sys, tinyllm; tinyllm.__version__; dir(tinyllm); print(*sys.modules)"
    loaded = run_python("-c", code).split()
    assert "tinyllm.lazy" in loaded
    assert not {"numpy", "numba", "rich", "tinyllm.autograd"} & set(loaded)


def test_arithmetic_needs_no_compiler():
    code = ("import sys; from tinyllm import Tensor, gradcheck, no_grad, formulas\n"
            "print((Tensor([1.0]) + 1).item(), 'numba' in sys.modules)")
    assert run_python("-c", code) == "2.0 False"


def test_every_public_name_can_be_loaded():
    code = ("import tinyllm\n"
            "for name in tinyllm.__all__: print(name, type(getattr(tinyllm, name)).__name__)\n"
            "assert set(tinyllm.__all__) <= set(dir(tinyllm))")
    kinds = dict(line.split() for line in run_python("-c", code).splitlines())
    assert kinds["gradcheck"] == kinds["load"] == "function"
    assert kinds["nn"] == kinds["models"] == kinds["optim"] == "module"


@pytest.mark.parametrize("before", ["pass", "import tinyllm.gradcheck", "from tinyllm import gradcheck"])
def test_gradcheck_is_the_function(before):
    code = f"{before}\nfrom tinyllm import gradcheck\nprint(type(gradcheck).__name__)"
    assert run_python("-c", code) == "function"


def test_an_op_is_the_function_whatever_was_imported_before():
    code = f"""
import importlib, random
import tinyllm.ops
table = {COMPOSITES}
ops = sorted(table)
random.Random(0).shuffle(ops)
for number, op in enumerate(ops):
    if number % 2:
        importlib.import_module("tinyllm.ops." + table[op])
    assert callable(getattr(tinyllm.ops, op)), op
for op in ops:
    module = importlib.import_module("tinyllm.ops." + table[op])
    assert getattr(tinyllm.ops, op) is getattr(module, op), op
exec("from tinyllm.ops import *")
assert softmax is tinyllm.ops.softmax
"""
    run_python("-c", code)


def test_a_name_that_is_not_there():
    import tinyllm
    with pytest.raises(AttributeError, match="module 'tinyllm' has no attribute 'nonsense'"):
        tinyllm.nonsense
