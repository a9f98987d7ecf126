"""The benchmark of few labels: any file the tasks read, the same steps for every share, a table and every figure."""
import json

import numpy as np
import pytest

from benchmarks.few_labels import WRITTEN, main, plot, sample, write
from tests.tasks.supervised import DATA, pretrained
from tinyllm.data.labelled import Labelled, Tagged
from tinyllm.tasks import classify, tag
from tinyllm.tasks.settings import FINETUNE


def written(folder, task):
    """Training data in two files and what says how they are read: CSV with CRLF, or tagged lines of three columns."""
    lines, between = DATA[task].splitlines(), "\r\n" if task == "classify" else "\n"
    if task == "classify":
        lines = [f'"{text}",{label}' for label, text in (line.split("\t") for line in lines)]
        parts, options = [["note,mood", *lines[:20]], ["note,mood", *lines[20:]]], ["--fields", "mood,note"]
    else:
        lines = [line and "x\t" + line for line in lines]
        parts, options = [lines[:60], lines[60:]], ["--columns", "2,3"]
    paths = [folder / f"{n}.{'csv' if task == 'classify' else 'tsv'}" for n in (1, 2)]
    for path, part in zip(paths, parts):
        path.write_text(between.join(part) + between, encoding="utf-8", newline="")
    return list(map(str, paths)), options


@pytest.mark.parametrize("task, examples", [("classify", [10, 40]), ("tag", [6, 24])])
def test_two_shares_from_two_starts(tmp_path, capsys, task, examples):
    files, options = written(tmp_path, task)
    start = str(pretrained(tmp_path, text=DATA[task] * 6))
    main([task, "--train", *files, "--dev", files[0], *options, "--from", start, "--shares", "0.25", "1",
          "--seeds", "0", "--steps", "3", "--set", "batch_size=4", "--set", "features=false", "--json",
          str(tmp_path / "all.json")])
    rows = json.loads((tmp_path / "all.json").read_text())
    assert [row["examples"] for row in rows] == np.repeat(examples, 2).tolist()
    assert [row["start"] for row in rows] == ["nothing", "pretrained"] * 2
    assert {row["steps"] for row in rows} == {3} and all(0 <= row["score"] <= 1 for row in rows)
    table = capsys.readouterr().out.splitlines()[-4:]
    assert table[0] == "| labels | from nothing | from pretrained |"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| 25%", "| 100%"]


@pytest.mark.parametrize("task, records", [
    (classify, [Labelled("good", 'two\nlines, a\ttab, a "quote"', ""), Labelled("bad", "a\u2028b", "")]),
    (tag, [Tagged(("Oslo", "is"), ("B-LOC", "O"), ""), Tagged(("big",), ("O",), "")])])
def test_what_is_written_is_read_again(tmp_path, task, records):
    name = task.__name__.rpartition(".")[2]
    path = write(name, records, tmp_path / "part")
    assert [record[:-1] for record in task.read([path], {**FINETUNE[name], **WRITTEN[name]})] == [
        record[:-1] for record in records]


def test_a_share_has_every_label():
    records = [Labelled("common" if n else "rare", f"text {n}", "") for n in range(50)]
    for seed in range(5):
        few = sample(records, 0.1, np.random.default_rng(seed))
        assert {record.label for record in few} == {"common", "rare"} and len(few) in (5, 6)
        assert few == sorted(few, key=records.index)


@pytest.mark.parametrize("arguments, message", [
    (["tag", "--fields", "a,b"], "--fields and --format are of classify"),
    (["classify", "--set", "dropout"], "must be name=value, got dropout"),
    (["classify", "--set", "crf=false"], "--set takes settings of finetune classify that the comparison leaves open"),
    (["classify", "--set", "seed=3"], "leaves open, got seed"),
    (["classify", "--set", "vocab_size=7"], "leaves open, got vocab_size"),
    (["classify", "--set", "format=csv"], "leaves open, got format"),
    (["tag", "--set", "columns=[2,1]"], "leaves open, got columns"),
    (["tag", "--set", "errors=replace"], "leaves open, got errors")])
def test_wrong_usage(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--train", "x", "--dev", "y", "--from", "z"])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_picture(tmp_path):
    """Shares of which one seed drew an example more than another are one point of the line."""
    pytest.importorskip("matplotlib")
    rows = [{"share": share, "examples": examples, "start": "nothing", "seed": seed, "steps": 1, "score": score}
            for share, examples, seed, score in [(0.1, 10, 0, 0.5), (0.1, 11, 1, 0.6), (1.0, 100, 0, 0.7)]]
    figure = plot(rows, tmp_path / "few.png", "f1")
    assert (tmp_path / "few.png").read_bytes().startswith(b"\x89PNG")
    line, points = figure.axes[0].lines[:2]
    np.testing.assert_allclose(line.get_xydata(), [[10.5, 0.55], [100, 0.7]])
    assert len(points.get_xdata()) == 3
