"""Nothing read from disk can execute, and no file can take the machine with it (PROMISES 13)."""
import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors

import tinyllm
from tests.training.hostile import hostile_files
from tinyllm.training.run_folder import RunFolder, RunFolderError

ROOT = Path(__file__).parents[2]


def test_every_hostile_model_is_refused_quickly_and_cheaply():
    """In a fresh process, so that the memory of other tests is not in the figure."""
    script = subprocess.run([sys.executable, "-m", "tests.training.hostile"], cwd=ROOT, capture_output=True,
                            text=True, timeout=60)
    assert script.returncode == 0, script.stdout + script.stderr
    lines = script.stdout.splitlines()
    assert len(lines) > 20 and all(line.startswith("refused") for line in lines[:-1])


NOTICES = """
import os
from tests.training.hostile import in_a_child
print(in_a_child(os._exit, 3)[0], "|", in_a_child(int, "x")[0])
"""


def test_the_script_notices_a_dead_child_and_another_error():
    """The checker is checked."""
    script = subprocess.run([sys.executable, "-c", NOTICES], cwd=ROOT, capture_output=True, text=True,
                            timeout=60)
    assert script.stdout.startswith("died") and "| ValueError" in script.stdout, script.stderr


@pytest.mark.filterwarnings("ignore:.*has no sha256")
def test_every_hostile_trainer_is_refused_before_the_library_sees_it(tmp_path, monkeypatch):
    def library(data):
        raise AssertionError("handed to the safetensors library")

    monkeypatch.setattr(safetensors, "deserialize", library)
    run = RunFolder.create(tmp_path / "run", {"task": "lm", "model": {}})
    files = hostile_files(tmp_path / "proof")
    del files["BOOL that is neither"]  # the header is right
    for what, content in files.items():
        (run.path / "trainer.safetensors").write_bytes(content)
        with pytest.raises(RunFolderError, match="trainer.safetensors"):
            run.load_trainer()
        assert not (tmp_path / "proof").exists(), what


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "trainer.safetensors",
                                  "metrics.jsonl"])
def test_a_folder_or_a_pipe_in_place_of_a_file_is_refused(tmp_path, name):
    run = RunFolder.create(tmp_path / "run", {"task": "lm", "model": {}}, "{}")
    run.log({})
    run.save_trainer({}, {}, model={})
    (run.path / name).unlink()
    for make in (os.mkfifo, os.mkdir):
        make(run.path / name)
        with pytest.raises(RunFolderError, match=f"{name}: not a regular file"):
            opened = RunFolder.open(run.path)
            opened.load_model()
            opened.load_trainer()
            opened.read_log()
        if make is os.mkfifo:
            (run.path / name).unlink()


def test_no_source_can_execute_what_it_reads():
    """No pickle, marshal, shelve, eval, exec and no allow_pickle in the whole package."""
    files = list(Path(tinyllm.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = set()
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {node.func.id}
            elif isinstance(node, ast.keyword):
                names = {node.arg}
            found = names & {"pickle", "marshal", "shelve", "eval", "exec", "allow_pickle"}
            assert not found, f"{file.name} uses {found}"
