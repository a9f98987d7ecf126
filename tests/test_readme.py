"""The README is tested: its session runs, its tree is the tree, its formula is the code."""
import argparse
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_session_runs(capsys):
    session = next(block for block in blocks("python") if "LanguageModel" in block)
    exec(compile(session, "README session", "exec"), {})
    loss, text, formula, right = capsys.readouterr().out.strip().split("\n")
    assert float(loss.split()[0]) < 1.5
    assert len(text) > 20
    assert abs(float(formula) - float(loss.split()[0])) < 0.5
    assert right == "True"


def test_the_formula_is_the_code():
    formula = next(block for block in blocks("python") if "attention_formula" in block)
    assert formula in (ROOT / "tinyllm/ops/attention.py").read_text(encoding="utf-8")


def test_the_tree_names_every_file():
    missing = [path for path in sorted(ROOT.glob("tinyllm/**/*.py"))
               if path.name not in ("__init__.py", "__main__.py") and path.name not in README]
    assert not missing


def test_nothing_is_left_to_be_filled_in():
    assert not re.search(r"^[A-Z]{4,}$|TODO", README, re.MULTILINE)


def options(parser):
    """Those of a parser and of the parsers below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from options(below)


def test_every_option_it_names_exists():
    from tinyllm.cli import parser
    known = set(options(parser()))
    for block in blocks("sh"):
        for line in block.split("\n"):
            if line.lstrip().startswith("tinyllm"):
                assert set(re.findall(r"--[a-z][a-z0-9-]+", line.split("#")[0])) <= known, line
