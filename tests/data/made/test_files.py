import pytest

from tests.process import run_python
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


def test_a_file_for_every_split_and_language(folder):
    names = {path.name for path in folder.iterdir()}
    expected = {f"translation.{split}.tsv" for split in ("train", "dev", "test")} | {
        f"{task}.{language}.{split}.tsv" for task in ("sentiment", "entities") for language in ("en", "zh")
        for split in ("train", "dev", "test")} | {"text.en.txt", "text.zh.txt"}
    assert names == expected
