import os
import subprocess
import sys

import pytest

from tests.process import ROOT, run_python
from tinyllm.data.labelled import read_labelled, read_tagged
from tinyllm.data.made import bilingual, entities, sentiment, unlabelled
from tinyllm.data.pairs import read_pairs
from tinyllm.data.readers import read_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the command writes."""
    folder = tmp_path_factory.mktemp("made") / "data"
    assert len(run_python("-m", "tinyllm.data.made", str(folder), "3").split("\n")) == 17
    return folder


def test_the_readers_read_what_was_made(folder):
    pairs = read_pairs([folder / "translation.dev.tsv"])
    assert [(source, *targets) for source, targets, _ in pairs] == bilingual("dev", 3)
    opinions = read_labelled([folder / "sentiment.zh.test.tsv"])
    assert [each[:2] for each in opinions] == sentiment("test", "zh", 3)
    tagged = read_tagged([folder / "entities.en.train.tsv"])
    assert [each[:2] for each in tagged] == entities("train", "en", 3)
    assert read_text(folder / "text.zh.txt") == unlabelled("zh", 3)


@pytest.mark.parametrize("arguments, code, message", [
    (["--help"], 0, ""), (["--seed"], 2, "required: FOLDER"), ([], 2, "required: FOLDER"),
    ([""], 2, "FOLDER must"),
    (["new", "x"], 2, "SEED must be a whole number from 0, got x"), (["new", "1", "2"], 2, "unrecognized arguments: 2"),
    (["/dev/null"], 1, "tinyllm.data.made: /dev/null: File exists"),
    (["full"], 1, "tinyllm.data.made: full: is there already and not empty; choose another name")])
def test_nothing_is_written_where_it_should_not_be(tmp_path, arguments, code, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    result = subprocess.run([sys.executable, "-m", "tinyllm.data.made", *arguments], cwd=tmp_path, text=True,
                            capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == code and message in result.stderr
    assert "Traceback" not in result.stderr and (code != 1 or result.stderr.count("\n") == 1)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "notes"]


def test_a_file_for_every_split_and_language(folder):
    names = {path.name for path in folder.iterdir()}
    expected = {f"translation.{split}.tsv" for split in ("train", "dev", "test")} | {
        f"{task}.{language}.{split}.tsv" for task in ("sentiment", "entities") for language in ("en", "zh")
        for split in ("train", "dev", "test")} | {"text.en.txt", "text.zh.txt"}
    assert names == expected
