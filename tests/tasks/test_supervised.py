"""Learning from labels: each task learns, is loaded again, goes on to the bit, and starts from a language model."""
import io
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyllm
from tests.tasks.supervised import (
    CLASSIFY, DATA, OPTIONS, SEQ2SEQ, SMALL, TAG, files, listening, pretrained, settings, train)
from tests.training import tiny
from tests.training.same_run import assert_same_run
from tinyllm.cli import main
from tinyllm.models import Seq2Seq
from tinyllm.tasks import classify, seq2seq, supervised, tag
from tinyllm.tasks.inputs import Inputs, drop_words
from tinyllm.tasks.settings import FINETUNE, FROM_RUN, SELECT
from tinyllm.text import UNK
from tinyllm.training import memory
from tinyllm.training.loop import Interrupted
from tinyllm.training.progress import Progress
from tinyllm.training.run_folder import RunFolder, RunFolderError

TASKS = {"classify": classify, "tag": tag, "seq2seq": seq2seq}
LEARNT = {"classify": ("accuracy", 1.0), "tag": ("f1", 1.0), "seq2seq": ("exact_match", 0.9)}
STEPS = {"classify": 60, "tag": 80, "seq2seq": 150}


@pytest.mark.parametrize("task", TASKS)
def test_learns_and_is_what_was_trained_when_loaded(tmp_path, task):
    data = files(tmp_path)[task]
    result = train(task, tmp_path / "run", "--train", data, "--dev", data, "--steps", STEPS[task])
    name, least = LEARNT[task]
    assert result[name] >= least and result["steps"] == STEPS[task]
    scores = tinyllm.load(tmp_path / "run").evaluate(data)
    assert scores[name] == pytest.approx(result[name])


def test_what_the_loaded_ones_predict(tmp_path):
    data = files(tmp_path)
    for task in TASKS:
        train(task, tmp_path / task, "--train", data[task], "--dev", data[task], "--steps", STEPS[task])
    classifier, tagger, translator = (tinyllm.load(tmp_path / task) for task in TASKS)
    texts = ["the red one is lovely", "", "the blue one is awful"]
    assert classifier.predict(texts) == ["good", "", "bad"]
    first, none, last = classifier.predictions(texts)
    assert sum(first["probabilities"].values()) == pytest.approx(1) and first["probabilities"]["good"] > 0.5
    assert none["label"] == "" and none["probabilities"] == {}
    np.testing.assert_allclose(classifier.probabilities(texts[:1]), classifier.probabilities(texts[::2])[:1], atol=1e-6)

    assert tagger.predict(["Bob lives in Oslo City", ""], pretokenized=True) == [
        [("Bob", "B-PER"), ("lives", "O"), ("in", "O"), ("Oslo", "B-LOC"), ("City", "I-LOC")], []]
    assert tagger.predict(["Bob lives in Oslo City"]) == tagger.predict(["Bob lives in Oslo City"], pretokenized=True)
    assert tagger.shown(tagger.predictions(["Ann lives"])[0]) == "Ann\tB-PER\nlives\tO\n"

    assert translator.predict(["two six", "", "four five"], beam=2) == ["six two", "", "five four"]
    assert translator.predict(["two six"], beam=1) == ["six two"]
    output, source, weights = translator.attention("two six", "six two")
    assert output[-1] == "</s>" and len(source) == 2 and weights.shape == (3, 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(translator.attention(" two six ", "six two ")[2], weights)


def test_sub_words_learn_are_loaded_and_predict(tmp_path):
    """The default tokenizer, whose bytes write every script."""
    digits = dict(zip(["one", "two", "three", "four", "five", "six"], "一二三四五六"))
    pairs = {f"{a} {b}": f"{digits[b]}{digits[a]}" for a in digits for b in digits}
    data = tmp_path / "digits.tsv"
    data.write_text("".join(f"{source}\t{target}\n" for source, target in pairs.items()), encoding="utf-8")
    result = train("seq2seq", tmp_path / "run", "--train", data, "--dev", data, "--steps", 250, "--tokenizer", "bpe")
    translator = tinyllm.load(tmp_path / "run")
    assert translator.tokenizer.type == "bpe" and result["exact_match"] >= 0.9
    outputs = translator.predict([*pairs, "", " two six "], beam=2)
    assert sum(map(str.__eq__, outputs, pairs.values())) >= 0.9 * len(pairs)
    assert outputs[-2] == "" and outputs[-1] == outputs[list(pairs).index("two six")]
    assert translator.evaluate(data)["exact_match"] >= 0.9


@pytest.mark.parametrize("task", TASKS)
def test_stopped_and_resumed_is_the_whole_run(tmp_path, task):
    """The break falls inside an epoch."""
    data = files(tmp_path)[task]
    common = ["--train", data, "--dev", data, "--steps", 9, "--evaluate-every", 4, "--average", 0.9]
    whole = train(task, tmp_path / "whole", *common)
    losses, loss = [], TASKS[task].Task.loss

    def breaking_loss(self, batch, rng):
        losses.append(1)
        if len(losses) == 5:
            signal.raise_signal(signal.SIGINT)
        return loss(self, batch, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TASKS[task].Task, "loss", breaking_loss)
        with pytest.raises(Interrupted):
            train(task, tmp_path / "broken", *common)
    resumed = train(task, tmp_path / "broken", resume=True)
    for result in (whole, resumed):
        del result["run"], result["seconds"]
    assert whole == resumed
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize("task, select", [(task, select) for task in TASKS for select in (None, *SELECT[task])])
def test_which_weights_are_kept(tmp_path, monkeypatch, capsys, task, select):
    """Those of the best evaluation by the field that is selected, of equal ones that with the lowest loss."""
    name, data = select or SELECT[task][0], files(tmp_path)[task]
    numbers = iter([(0.8, 3.0), (0.9, 3.0), (0.9, 2.0), (0.9, 2.5), (0.1, 0.5)])

    def evaluate(self):
        value, loss = next(numbers)
        return {**dict.fromkeys(SELECT[task], 1 - value), name: value, "valid_loss": loss}
    monkeypatch.setattr(TASKS[task].Task, "evaluate", evaluate)
    arguments = ["--select", select] if select else []
    result = supervised.finetune(task, tmp_path / "run", settings(
        task, "--train", data, "--dev", data, "--steps", 5, "--evaluate-every", 1, *arguments))
    assert result["valid_loss"] == (0.5 if name == "valid_loss" else 2.0)
    shown = [line for line in capsys.readouterr().err.splitlines() if "validation" in line]
    assert len(shown) == 5 and all((f"  {name} " in line) == (name != "valid_loss") for line in shown)


def test_one_progress_for_several_trainings(tmp_path):
    """What decides in one of them does not go on to the next."""
    data, progress = files(tmp_path)["tag"], Progress(quiet=True)
    options = settings("tag", "--train", data, "--dev", data, "--steps", 1)
    supervised.finetune("tag", tmp_path / "run", options, progress=progress)
    assert tiny.start(tmp_path / "next", tiny.Task(), steps=1, progress=progress)["steps"] == 1


@pytest.mark.parametrize("task", TASKS)
def test_what_can_be_selected_is_what_evaluations_give(tmp_path, task):
    data = files(tmp_path)[task]
    train(task, tmp_path / "run", "--train", data, "--dev", data, "--steps", 1)
    record, = RunFolder.open(tmp_path / "run").read_log()
    assert set(record) == {"step", "epoch", "seconds", "lr", "train_loss", *SELECT[task]}
    options = settings(task, "--train", data, "--dev", data, "--steps", 1)
    with pytest.raises(ValueError, match=f"finetune {task}: select must be one of {', '.join(SELECT[task])}, got 'x'"):
        supervised.finetune(task, tmp_path / "new", {**options, "select": "x"})
    for name, value in (("select", "valid_loss"), ("patience", 3)):
        with pytest.raises(ValueError, match=f"{name} needs dev, got {value!r} without one"):
            supervised.finetune(task, tmp_path / "new", {**options, name: value, "dev": ()})


@pytest.mark.parametrize("task", TASKS)
def test_from_a_pretrained_run(tmp_path, task):
    """Sizes, tokenizer and weights are the pretrained ones; what is new is named."""
    start = pretrained(tmp_path, text=DATA[task] * 6)
    said = []
    progress = listening(said)
    data = files(tmp_path)[task]
    options = settings(task, "--train", data, "--steps", 1, "--lr", 1e-9, "--from", start)
    supervised.finetune(task, tmp_path / "run", options, progress=progress)
    run, before = RunFolder.open(tmp_path / "run"), RunFolder.open(start)
    weights, original = run.load_model(), before.load_model()
    prefix = "encoder."
    assert f"{prefix}embedding.weight" in run.config["taken"] and f"{prefix}rnn.weight_hh_l0" in run.config["taken"]
    assert f"{prefix}rnn.weight_hh_l0_reverse" not in run.config["taken"]
    assert run.config["training"]["tokenizer"] == "word" and run.config["training"]["hidden_dim"] == 16
    np.testing.assert_allclose(weights[f"{prefix}rnn.weight_hh_l0"], original["rnn.weight_hh_l0"], atol=1e-6)
    np.testing.assert_allclose(weights[f"{prefix}embedding.weight"], original["embedding.weight"], atol=1e-6)
    taken = "taken over from {}: {}embedding.weight, {}rnn (weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0), "
    assert any(text.startswith(taken.format(start, *2 * [prefix])) for text in said)
    new, = (text.partition("; new: ")[2].split(", ") for text in said if "taken over" in text)
    assert f"{prefix}merge" in new and f"{prefix}rnn (weight_ih_l0_reverse" in new
    assert task == "seq2seq" or f"{prefix}features" in new
    assert any(text.startswith("its tokenizer does not know ") for text in said)
    tinyllm.load(tmp_path / "run").predictions(["the red one"])


def test_from_a_pair_of_directions(tmp_path):
    forward = pretrained(tmp_path)
    backward = pretrained(tmp_path, "--reverse", "--embeddings-from", forward, "--seed", "1")
    tables = [RunFolder.open(run).load_model()["embedding.weight"] for run in (forward, backward)]
    np.testing.assert_array_equal(*tables)
    data = files(tmp_path)["classify"]
    said, given = [], settings("classify", "--train", data, "--steps", 1, "--lr", 1e-9)
    progress = listening(said)
    supervised.finetune("classify", tmp_path / "run", {**given, "from_run": forward, "from_reversed": backward},
                        progress=progress)
    assert any(text.startswith(f"taken over from {forward} and {backward}: ") for text in said)
    weights = RunFolder.open(tmp_path / "run").load_model()
    np.testing.assert_allclose(weights["encoder.rnn.weight_hh_l0_reverse"],
                               RunFolder.open(backward).load_model()["rnn.weight_hh_l0"], atol=1e-6)
    with pytest.raises(ValueError, match="was not pretrained on reversed text"):
        train("classify", tmp_path / "two", "--train", data, "--from", forward, "--from-reversed", forward)
    with pytest.raises(ValueError, match="was pretrained on reversed text, give it as --from-reversed"):
        train("classify", tmp_path / "two", "--train", data, "--from", backward)
    with pytest.raises(ValueError, match="^generate: the model was pretrained on reversed text: it is a start"):
        tinyllm.load(backward).generate("the")


def test_a_start_with_other_embeddings(tmp_path):
    """What reads one table cannot read another, though both were trained on the same words."""
    forward, backward = pretrained(tmp_path), pretrained(tmp_path, "--reverse", "--seed", "1")
    with pytest.raises(ValueError, match=r"has other embeddings than .* \(pretrain --reverse --embeddings-from"):
        train("classify", tmp_path / "run", "--train", files(tmp_path)["classify"], "--from", forward,
              "--from-reversed", backward)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting, value, own", [("hidden_dim", 256, 16), ("cell", "lstm", "'gru'"),
                                                 ("tokenizer", "token", "'word'"), ("tokenizer", "words", "'word'"),
                                                 ("vocab_size", 9, "[0-9]+")])
def test_sizes_that_the_pretrained_run_does_not_have_are_refused(tmp_path, setting, value, own):
    """Also where the value is the default."""
    data, start = files(tmp_path)["classify"], pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"classify: {setting} must be {own} as in .*, or left out, got {value!r}"):
        supervised.finetune("classify", tmp_path / "run", {"train": [data], "from_run": start, setting: value})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task, tokenizer", [("classify", "word"), ("classify", "bpe"), ("tag", "word"),
                                             ("seq2seq", "word"), ("seq2seq", "char")])
def test_a_run_is_repeated_from_its_own_settings(tmp_path, task, tokenizer):
    """What it had from the pretrained one may be asked for: a tokenizer of words too, which only such a run has."""
    start = pretrained(tmp_path, "--tokenizer", tokenizer, text=DATA[task] * 6)
    given = {**settings(task, "--train", files(tmp_path)[task], "--from", start, "--steps", 1), "tokenizer": tokenizer}
    for name in ("run", "again"):
        supervised.finetune(task, tmp_path / name, given, progress=Progress(quiet=True))
        given = RunFolder.open(tmp_path / name).config["training"]
        assert given["tokenizer"] == tokenizer and given["vocab_size"] and given["from_run"] == str(start)
    assert_same_run(tmp_path / "run", tmp_path / "again")


@pytest.mark.parametrize("task, given, message", [
    ("classify", {"tokenizer": "chars"}, "classify: tokenizer must be one of token, char, bpe, got 'chars'"),
    ("tag", {"tokenizer": "bpe"}, "tag: tokenizer must be one of token, char, got 'bpe'"),
    ("seq2seq", {"tokenizer": "token"}, "seq2seq: tokenizer must be one of bpe, word, char, got 'token'"),
    ("tag", {"cell": "gnu"}, "tag: cell must be one of gru, lstm, rnn, got 'gnu'"),
    ("seq2seq", {"truncate": "left"}, "seq2seq: truncate must be one of end, start, got 'left'"),
    ("tag", {"errors": ["strict"]}, r"tag: errors must be one of strict, replace, got \['strict'\]")])
def test_a_value_that_is_not_one_of_a_few(tmp_path, task, given, message):
    with pytest.raises(ValueError, match=f"finetune {message}"):
        supervised.finetune(task, tmp_path / "run", {"train": [files(tmp_path)[task]], **given})


@pytest.mark.parametrize("given, message", [
    ({"tokenizer": "bpe", "max_features": 7}, r"max_features: must be left out .* \(those of bpe\), got 7"),
    ({"features": False, "min_count": 3}, "min_count: must be left out where tokens have no features, got 3"),
    ({"tokenizer": "char", "features": ["lower"]}, "kinds must be distinct names of left, right, around, class")])
def test_features_that_there_are_none_of(tmp_path, given, message):
    """From Python as from the command line, and whatever is there to be read."""
    with pytest.raises(ValueError, match=message):
        supervised.finetune("classify", tmp_path / "run", {"train": ["none.tsv"], **given})


def test_features_of_a_start_of_sub_words(tmp_path, capsys):
    """What its tokens are the command line does not know before it has read the run."""
    start, data = pretrained(tmp_path, "--tokenizer", "bpe"), files(tmp_path)["classify"]
    capsys.readouterr()
    assert main(["finetune", "classify", "--train", str(data), "--from", str(start), "--out", str(tmp_path / "run"),
                 "--max-features", "9"]) == 1
    assert capsys.readouterr().err == (
        "tinyllm: max_features: must be left out where tokens have no features (those of bpe), got 9\n")
    assert not (tmp_path / "run").exists()


def test_what_was_taken_over_may_learn_more_slowly(tmp_path):
    data, start = files(tmp_path)["classify"], pretrained(tmp_path)
    train("classify", tmp_path / "run", "--train", data, "--steps", 3, "--from", start, "--from-lr", 0)
    run, original = RunFolder.open(tmp_path / "run"), RunFolder.open(start).load_model()
    np.testing.assert_array_equal(run.load_model()["encoder.embedding.weight"], original["embedding.weight"])


@pytest.mark.parametrize("option, value, own", [("--hidden-dim", 12, 16), ("--cell", "lstm", "gru"),
                                                ("--num-layers", 2, 1)])
def test_a_run_of_reversed_text_of_another_size(tmp_path, option, value, own):
    forward, backward = pretrained(tmp_path), pretrained(tmp_path, "--reverse", option, value)
    setting = option[2:].replace("-", "_")
    with pytest.raises(ValueError, match=f"^{backward}: {setting} must be {own!r} as in {forward}, got {value!r}$"):
        train("tag", tmp_path / "run", "--train", files(tmp_path)["tag"], "--from", forward,
              "--from-reversed", backward)


def test_a_start_that_does_not_fit(tmp_path):
    data = files(tmp_path)
    train("classify", tmp_path / "other", "--train", data["classify"], "--steps", 1)
    with pytest.raises(RunFolderError, match="a start must be a language model .* its task is classify"):
        train("tag", tmp_path / "run", "--train", data["tag"], "--from", tmp_path / "other")
    bpe = pretrained(tmp_path, "--tokenizer", "bpe", "--vocab-size", "270")
    with pytest.raises(ValueError, match="the tokenizer must give whole tokens .*, got bpe"):
        train("tag", tmp_path / "run", "--train", data["tag"], "--from", bpe)
    assert not (tmp_path / "run").exists()


def test_what_the_pretrained_tokenizer_does_not_know_is_said(tmp_path):
    """Four of the six tokens: the rest of the text has no such words."""
    start, said = pretrained(tmp_path, text="the red one was here. " * 60), []
    progress = listening(said)
    (tmp_path / "few.tsv").write_text("good\tthe green bird\nbad\ta red cat\n")
    supervised.finetune("classify", tmp_path / "run", settings(
        "classify", "--train", tmp_path / "few.tsv", "--from", start, "--steps", 1), progress=progress)
    assert "its tokenizer does not know 66.7% of the 6 training tokens" in said


def test_words_are_no_characters(tmp_path):
    """A tokenizer of characters would know none of them; Chinese by character is what it is for."""
    data, start = files(tmp_path)["tag"], pretrained(tmp_path, "--tokenizer", "char")
    expected = "of one character, got 120 of 120 that are longer, the first 'Ann'"
    with pytest.raises(ValueError, match=f"tag: --tokenizer char expects tokens {expected}"):
        train("tag", tmp_path / "run", "--train", data, "--tokenizer", "char")
    with pytest.raises(ValueError, match=f"tag: --from a model of characters expects tokens {expected}"):
        train("tag", tmp_path / "run", "--train", data, "--from", start)
    assert not (tmp_path / "run").exists()
    data.write_text("北\tB-LOC\n京\tI-LOC\n2024\tO\n", encoding="utf-8")
    train("tag", tmp_path / "run", "--train", data, "--tokenizer", "char", "--steps", 1)


def test_a_start_with_another_tokenizer(tmp_path):
    forward, backward = pretrained(tmp_path), pretrained(tmp_path, "--reverse", text="quite another text " * 60)
    with pytest.raises(ValueError, match="has another tokenizer than"):
        train("classify", tmp_path / "run", "--train", files(tmp_path)["classify"], "--from", forward,
              "--from-reversed", backward)


@pytest.mark.parametrize("task, bad, message", [
    ("classify", "good\tfine\nworse\tno\n", "dev.tsv:2: the label must be one of the training data's, 'bad', 'good', "
                                            "got 'worse'"),
    ("tag", "Ann\tB-PER\n\nBob\tO\nRex\tB-DOG\n", "dev.tsv:4: the tag must be one of the training data's, "
                                                  "'O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER', got 'B-DOG'"),
])
def test_a_label_of_dev_that_train_never_had(tmp_path, task, bad, message):
    (tmp_path / "dev.tsv").write_text(bad)
    with pytest.raises(ValueError, match=message):
        train(task, tmp_path / "run", "--train", files(tmp_path)[task], "--dev", tmp_path / "dev.tsv")
    assert not (tmp_path / "run").exists()


def test_scored_on_labels_that_train_never_had(trained):
    (trained / "new.tsv").write_text("Ann\tB-PER\nRex\tB-DOG\n")
    with pytest.raises(ValueError, match="new.tsv:2: the tag must be one of the training data's, .* got 'B-DOG'"):
        tinyllm.load("tag").evaluate("new.tsv")
    with pytest.raises(ValueError, match="new.tsv:2: the tag must be one of the training data's"):
        tinyllm.load("tag").score(tag.read(["new.tsv"], {"columns": None, "errors": "strict"}))
    (trained / "new.tsv").write_text("worse\tfine\n")
    with pytest.raises(ValueError, match="new.tsv:1: the label must be one of the training data's, .* got 'worse'"):
        tinyllm.load("classify").evaluate("new.tsv")


def test_columns_that_are_swapped_are_asked_about(tmp_path):
    data, said = files(tmp_path)["classify"], []
    data.write_text("".join(f"{line} {i % 30}\n" for i, line in enumerate(CLASSIFY.splitlines())))
    progress = listening(said)
    for columns in ("1,2", "2,1"):
        supervised.finetune("classify", tmp_path / columns, settings(
            "classify", "--train", data, "--steps", 1, "--columns", columns), progress=progress)
    assert [sentence for sentence in said if "label" in sentence] == [
        "40 of 40 training texts have a label that no other has: is it the label that comes first, then the text? "
        "(--columns 2,1 and --fields pick them)"]


def test_a_label_is_one_line(tmp_path, capsys):
    """Of the quoted field of a CSV, which may hold several: in a prediction, and in every table of scores."""
    (tmp_path / "a.csv").write_text('label,text\n"good\nvery\tgood",fine\n"good\nvery\tgood",nice\n')
    (tmp_path / "b.csv").write_text('label,text\nbad,awful\n')
    train("classify", tmp_path / "run", "--train", tmp_path / "a.csv", tmp_path / "b.csv", "--fields", "label,text",
          "--steps", 20)
    model = tinyllm.load(tmp_path / "run")
    assert model.shown({"label": model.labels[1]}) == "good very good" and "\n" in model.labels[1]
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), str(tmp_path / "a.csv"), "--fields", "label,text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in ("accuracy", "macro_f1", "confusion", "by_label", "nats_per_text") for line in lines)
    assert "confusion good very good good very good 2" in [" ".join(line.split()) for line in lines]


def test_training_data_that_teach_nothing(tmp_path):
    (tmp_path / "one.tsv").write_text("good\ta\ngood\tb\n")
    with pytest.raises(ValueError, match="one.tsv:1: classify needs at least two labels, got only 'good'"):
        train("classify", tmp_path / "run", "--train", tmp_path / "one.tsv")
    (tmp_path / "none.tsv").write_text("a\tO\nb\tO\n")
    with pytest.raises(ValueError, match="none.tsv:1: tag needs at least one entity"):
        train("tag", tmp_path / "run", "--train", tmp_path / "none.tsv")
    (tmp_path / "three.tsv").write_text("a\tb\tc\n")
    with pytest.raises(ValueError, match="three.tsv:1"):
        train("seq2seq", tmp_path / "run", "--train", tmp_path / "three.tsv")


@pytest.mark.parametrize("task, line, training, dev", [
    ("classify", "good\t{}\n", "1 of 41 training texts", "1 of 1 dev texts"),
    ("seq2seq", "{}\tone\n", "1 of 13 training sources", "1 of 1 dev sources"),
    ("seq2seq", "one\t{}\n", "1 of 13 training targets", "1 of 1 dev targets")])
def test_long_texts_are_cut_and_counted(tmp_path, task, line, training, dev):
    said = []
    progress = listening(said)
    data, long = files(tmp_path)[task], tmp_path / "long.tsv"
    long.write_text(line.format("word " * 10_000))
    data.write_text(data.read_text() + long.read_text())
    supervised.finetune(task, tmp_path / "run", settings(task, "--train", data, "--dev", long, "--steps", 1,
                                                         "--max-len", 20), progress=progress)
    option = "--max-target-len" if "targets" in dev else "--max-len"
    assert said[:2] == [f"{count} were cut to 20 tokens ({option})" for count in (training, dev)]


@pytest.mark.parametrize("truncate", ["left", "End", None])
def test_there_is_nothing_but_a_start_and_an_end_to_cut(truncate):
    with pytest.raises(ValueError, match=f"Inputs: truncate must be one of end, start, got {truncate!r}"):
        Inputs(None, 5, truncate)


def test_the_start_of_a_long_source_may_go(tmp_path):
    """bAbI's question is at the end: it is what a model of few tokens learns from, and is asked with."""
    data = tmp_path / "qa.txt"
    data.write_text("".join(f"1 {name} went to the {place}.\n2 {name} {'left the milk there ' * 9}.\n"
                            f"3 Where is {'milk' if n % 2 else 'he'}?\t{'there' if n % 2 else 'here'}\t1\n"
                            for n, (name, place) in enumerate([("Ann", "park"), ("Bob", "hall")] * 6)))
    train("seq2seq", tmp_path / "run", "--train", data, "--dev", data, "--steps", 150, "--max-len", 6,
          "--max-target-len", 3, "--truncate", "start")
    model = tinyllm.load(tmp_path / "run")
    assert model.evaluate(data)["exact_match"] == 1.0 and model.model.config["max_seq_len"] == 4
    assert model.inputs.what_was_cut() == ["12 of 12 texts were cut to 6 tokens (--max-len)"]


def test_copying_writes_words_that_were_rare(tmp_path):
    """Each name is the target of one example: what was learnt is to copy it."""
    names = [f"{a}{b}" for a in ("Bo", "Al", "Ti", "Ra") for b in ("na", "mo", "ki", "lu", "wen", "sa")]
    lines = [f"the book was read by {name} today\t{name}\n" for name in names]
    data, unseen = tmp_path / "names.tsv", tmp_path / "dev.tsv"
    data.write_text("".join(lines[:-4] + [line.replace("read", "kept").replace("\t", "\tnot ") for line in lines]))
    unseen.write_text("".join(lines[-4:]))
    scores = {}
    for copy in (False, True):
        train("seq2seq", tmp_path / f"{copy}", "--train", data, "--dev", unseen, "--steps", 150, *["--copy"] * copy)
        scores[copy] = tinyllm.load(tmp_path / f"{copy}").evaluate(unseen)["exact_match"]
    assert scores[True] == 1.0 > scores[False]


def places(folder):
    """bAbI's first task in small: who went where, asked for the first of two."""
    names, rooms = ("Ann", "Bob", "Cy"), ("park", "hall", "shop")
    data = folder / "qa.txt"
    data.write_text("".join(f"1 {a} went to the {x}.\n2 {b} is in the {y} now.\n3 Where is {a}?\t{x}\t1\n"
                            for a in names for b in names if a != b for x in rooms for y in rooms))
    return data


def test_a_story_is_read_sentence_by_sentence(tmp_path):
    data = places(tmp_path)
    train("seq2seq", tmp_path / "run", "--train", data, "--dev", data, "--steps", 400, "--sentences")
    model = tinyllm.load(tmp_path / "run")
    assert model.tokenizer.type == "sentences" and model.evaluate(data)["exact_match"] >= 0.9
    story = "Bob went to the hall. Ann is in the shop now. Where is Bob?"
    assert model.predict([story, ""], beam=2) == ["hall", ""]
    written, read, weights = model.attention(story, "hall")
    assert (written, read) == (["hall", "</s>"], [
        "Where is Bob ?", "Bob went to the hall .", "Ann is in the shop now ."])
    assert weights.shape == (2, 3)


@pytest.mark.parametrize("truncate, kept", [("start", ["Who ?", "c .", "d ."]), ("end", ["Who ?", "a .", "b ."])])
def test_of_a_long_story_the_question_stays(tmp_path, truncate, kept):
    data = places(tmp_path)
    train("seq2seq", tmp_path / "run", "--train", data, "--steps", 1, "--sentences", "--max-len", 3, "--truncate",
          truncate)
    inputs, story = tinyllm.load(tmp_path / "run").inputs, "a. b. c. d. Who?"
    assert [inputs.names(text, None) for text in (story, "a. Who?")] == [kept, ["Who ?", "a ."]]
    whole = Inputs(inputs.tokenizer, 9).of_text(story).features
    positions = [0, 3, 4] if truncate == "start" else [0, 1, 2]
    np.testing.assert_array_equal(inputs.of_text(story).features, whole[positions])
    assert len(inputs.of_text("so " * 100 + "?").ids) == 3  # of a question that is longer still, its beginning
    assert inputs.what_was_cut() == ["2 of 2 texts were cut to 3 sentences (--max-len)"]


@pytest.mark.parametrize("asked, setting, value, expected", [
    ("sentences", "tokenizer", "bpe", "'word'"), ("sentences", "word_dropout", 0.1, 0),
    ("sentences", "copy", True, False), ("sentences", "from_run", "lm", None), ("copy", "word_dropout", 0.1, 0)])
def test_what_does_not_go_together(tmp_path, asked, setting, value, expected):
    """It is said before anything is read."""
    options = {"train": [tmp_path / "nowhere.tsv"], "tokenizer": "word", asked: True, setting: value}
    if setting == "from_run":
        options = {**options, setting: pretrained(tmp_path)}
    with pytest.raises(ValueError, match=f"{asked}: {setting} must be {expected} with it, got"):
        supervised.finetune("seq2seq", tmp_path / "run", options, progress=Progress(quiet=True))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tokenizer, lines", [
    ("word", "Ann saw Bob\tBob\nBob left\tBob\n"), ("bpe", "Ann saw Bob\tBob\nBob left\tBob\n"),
    ("char", "ab\tb\n"), ("word", "我学中文\t学中文\n学了\t学\n")], ids=["word", "bpe", "char", "chinese"])
def test_what_is_copied_is_the_token_that_stands_in_the_source(tmp_path, tokenizer, lines):
    """Also at the beginning of a source or a target, where text has no space before a word; nothing is unknown."""
    data = tmp_path / "data.tsv"
    data.write_text(lines * 8, encoding="utf-8")
    options = {**FINETUNE["seq2seq"], **settings("seq2seq", "--train", data, "--copy", "--tokenizer", tokenizer)}
    records = seq2seq.read([data], options)
    words = seq2seq.make_tokenizer(records, options, None)
    task = seq2seq.Task(words, records, records, options, {}, np.random.default_rng(0))
    for sources, targets in ((task.sources, task.targets), zip(*task.dev_pairs)):
        for source, target in zip(sources, targets):
            assert UNK not in target.ids and set(target.ids) <= set(source.ids)


def test_copying_is_resumed_and_may_start_from_a_language_model(tmp_path):
    data, lm = files(tmp_path)["seq2seq"], pretrained(tmp_path, text=SEQ2SEQ * 3)
    start = {**settings("seq2seq", "--train", data, "--copy", "--steps", 2), "from_run": lm}
    start = {name: value for name, value in start.items() if name not in FROM_RUN}
    result = supervised.finetune("seq2seq", tmp_path / "run", start, progress=Progress(quiet=True))
    assert result["steps"] == 2
    resumed = supervised.finetune("seq2seq", tmp_path / "run", {"steps": 3}, resume=True, progress=Progress(quiet=True))
    model = tinyllm.load(tmp_path / "run")
    assert resumed["steps"] == 3 and model.copies
    written, read, weights = model.attention("one five", "five one")
    assert (written, read) == ([" five", " one", "</s>"], [" one", " five"]) and weights.shape == (3, 2)


@pytest.mark.parametrize("most, scored", [(2, [0, 3]), (4, [0, 2, 4]), (5, [0, 1, 2, 3, 4]), (500, [0, 1, 2, 3, 4])])
def test_translations_are_scored_all_along_dev(tmp_path, monkeypatch, most, scored):
    """Of several files each has its share, and what is scored is said."""
    data, dev = files(tmp_path)["seq2seq"], [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    lines, said, asked, score = SEQ2SEQ.splitlines(keepends=True)[:5], [], [], seq2seq.TrainedSeq2Seq.score
    dev[0].write_text("".join(lines[:3]))
    dev[1].write_text("".join(lines[3:]))
    progress = listening(said)
    monkeypatch.setattr(seq2seq, "DECODED", most)
    monkeypatch.setattr(seq2seq.TrainedSeq2Seq, "score", lambda self, records, beam, sources: (
        asked.append([(each.source, self.tokenizer.decode(read.ids)) for each, read in zip(records, sources)]),
        score(self, records, beam=beam, sources=sources))[1])
    supervised.finetune("seq2seq", tmp_path / "run", settings("seq2seq", "--train", data, "--dev", *dev, "--steps", 1),
                        progress=progress)
    assert asked == [[(lines[i].split("\t")[0],) * 2 for i in scored]]
    assert f"scores on dev while it trains: {len(scored)} of 5 records, greedily" in said


@pytest.mark.parametrize("options", [[], ["--no-crf"]])
def test_what_a_tagger_scores_is_its_mean_loss(tmp_path, options):
    """Over all tokens, those of pieces and of batches that are longer than others alike."""
    data = files(tmp_path)["tag"]
    train("tag", tmp_path / "run", "--train", data, "--steps", 3, "--max-len", 3, *options)
    tagger = tinyllm.load(tmp_path / "run")
    records = tag.read([data], {"columns": None, "errors": "strict"})
    nats = [len(numbers) * tagger.model.loss(read.ids[None], numbers[None], None, read.features[None]).item()
            for read, numbers in zip(*tagger.examples(records))]
    assert tagger.score(records)["nats_per_token"] == pytest.approx(sum(nats) / TAG.count("\t"), rel=1e-5)


def test_a_long_sentence_is_tagged_in_pieces(tmp_path):
    """Nothing of it is lost, neither for training nor for what is predicted and scored."""
    data = files(tmp_path)["tag"]
    data.write_text(TAG.replace("\n\n", "\n") + "\n")
    result = train("tag", tmp_path / "run", "--train", data, "--dev", data, "--steps", 80, "--max-len", 16)
    assert result["f1"] > 0.9
    tokens = [line.split("\t")[0] for line in TAG.splitlines() if line]
    tagger = tinyllm.load(tmp_path / "run")
    pieces = [tokens[begin:begin + 16] for begin in range(0, len(tokens), 16)]
    assert tagger.tag([tokens, tokens[:3]]) == [sum(tagger.tag(pieces), []), tagger.tag([tokens[:3]])[0]]
    assert tagger.inputs.what_was_cut() == []


def test_a_piece_begins_an_entity_anew_whatever_its_type_is_called(tmp_path):
    """The type POI-CITY has an "I-" of its own."""
    (tmp_path / "tag.tsv").write_text("New\tB-POI-CITY\nYork\tI-POI-CITY\nCity\tI-POI-CITY\nis\tO\n")
    train("tag", tmp_path / "run", "--train", tmp_path / "tag.tsv", "--steps", 1, "--max-len", 2)
    tagger = tinyllm.load(tmp_path / "run")
    _, numbers = tagger.examples(tag.read([tmp_path / "tag.tsv"], {"columns": None, "errors": "strict"}))
    assert [[tagger.tags[i] for i in piece] for piece in numbers] == [["B-POI-CITY", "I-POI-CITY"], ["B-POI-CITY", "O"]]


def test_tags_of_a_file_with_more_columns(trained, capsys):
    """What is trained and scored is what the same file has without them."""
    (trained / "more.conll").write_text("\n".join(line.replace("\t", " NN ") for line in TAG.split("\n")))
    capsys.readouterr()
    for name, data, columns in [("two", "tag.tsv", []), ("more", "more.conll", ["--columns", "1,3"])]:
        assert main(["finetune", "tag", "--train", data, "--dev", data, *columns, *SMALL, "--steps", "2",
                     "--out", name]) == 0
    assert RunFolder.open("two").config["data"] == RunFolder.open("more").config["data"]
    scores = []
    for arguments in (["tag.tsv"], ["more.conll", "--columns", "1,3"]):
        capsys.readouterr()
        assert main(["evaluate", "more", *arguments]) == 0
        scores.append(capsys.readouterr().out)
    assert scores[0] == scores[1]
    with pytest.raises(ValueError, match="finetune tag: settings must be among .*, got fields, format"):
        supervised.finetune("tag", trained / "x", {"train": ["tag.tsv"], "format": "csv", "fields": ("a", "b")})


def test_what_evaluate_and_predict_cut_is_counted(trained, capsys):
    """Trained with the default of 256 tokens, asked about one text of 10,000."""
    (trained / "long.tsv").write_text("good\tfine\nbad\t" + "word " * 10_000 + "\n")
    (trained / "long.txt").write_text("fine\n" + "word " * 10_000 + "\n")
    capsys.readouterr()
    for arguments in (["evaluate", "classify", "long.tsv"], ["predict", "classify", "long.txt"]):
        assert main(arguments) == 0
        assert capsys.readouterr().err == "tinyllm: 1 of 2 texts were cut to 256 tokens (--max-len)\n"


@pytest.mark.parametrize("task", ["classify", "seq2seq"])
def test_sub_words_of_little_text(tmp_path, task):
    """Without --vocab-size there are as many as the text supports; one that is asked for must be possible."""
    data = files(tmp_path)[task]
    train(task, tmp_path / "run", "--train", data, "--steps", 1, "--tokenizer", "bpe")
    assert 260 < tinyllm.load(tmp_path / "run").tokenizer.vocab_size < 8000
    with pytest.raises(ValueError, match="vocab_size must be 260"):
        train(task, tmp_path / "more", "--train", data, "--tokenizer", "bpe", "--vocab-size", 8000)


def test_tokens_so_few_that_no_feature_is_kept(tmp_path):
    """Each of them stands there once, so none has company."""
    (tmp_path / "few.tsv").write_text("good\tyes\nbad\tNO\n")
    train("classify", tmp_path / "run", "--train", tmp_path / "few.tsv", "--steps", 2)
    assert tinyllm.load(tmp_path / "run").tokenizer.features is None


@pytest.mark.parametrize("task", TASKS)
def test_a_training_that_cannot_begin_replaces_no_run(tmp_path, monkeypatch, task):
    data = files(tmp_path)[task]
    train(task, tmp_path / "run", "--train", data, "--steps", 1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}

    def fails(self, batch, rng):
        raise ValueError("no loss")
    monkeypatch.setattr(TASKS[task].Task, "loss", fails)
    with pytest.raises(ValueError, match="no loss"):
        train(task, tmp_path / "run", "--train", data, "--steps", 1, force=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize("kind", [str, Path, lambda path: [str(path)], lambda path: (path,)],
                         ids=["str", "Path", "list", "tuple"])
def test_one_file_or_several(tmp_path, kind):
    """From Python; the run knows where they are."""
    data = files(tmp_path)["classify"]
    given = settings("classify", "--steps", 1) | {"train": kind(data), "dev": kind(data)}
    supervised.finetune("classify", tmp_path / "run", given, progress=Progress(quiet=True))
    training = RunFolder.open(tmp_path / "run").config["training"]
    assert training["train"] == training["dev"] == [str(data)]
    train("classify", tmp_path / "run", "--steps", 2, resume=True)


def test_no_file_to_learn_from(tmp_path):
    for given in ({}, {"train": None, "dev": None}, {"train": []}, {"train": ""}):
        with pytest.raises(ValueError, match="files must be at least one, got none"):
            supervised.finetune("classify", tmp_path / "run", given)


def test_other_data_are_refused_when_going_on(tmp_path):
    data = files(tmp_path)["classify"]
    train("classify", tmp_path / "run", "--train", data, "--steps", 2)
    data.write_text(data.read_text() + "good\tmore\n")
    with pytest.raises(ValueError, match="run: the data of --train must be what the run was started with, 40 records, "
                                         "got 41 records"):
        train("classify", tmp_path / "run", "--steps", 4, resume=True)
    train("classify", tmp_path / "two", "--train", data, "--dev", data, "--steps", 2)
    config = json.loads((tmp_path / "two" / "config.json").read_text())
    del config["checksums"]
    config["data"]["dev_sha256"] = "0"
    (tmp_path / "two" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="two: the data of --dev must be .* with, 41 records, got 41 others"):
        train("classify", tmp_path / "two", "--steps", 4, resume=True)
    with pytest.raises(ValueError, match="its task is classify, not tag"):
        train("tag", tmp_path / "run", resume=True)


def test_a_run_without_what_going_on_needs(tmp_path):
    train("classify", tmp_path / "run", "--train", files(tmp_path)["classify"], "--steps", 2)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["checksums"], config["taken"]
    path.write_text(json.dumps(config))
    with pytest.raises(RunFolderError, match="config.json: taken must be there to go on with the run, got nothing"):
        train("classify", tmp_path / "run", resume=True)


def test_a_run_begun_with_patience_and_nothing_to_evaluate_on_goes_on(tmp_path):
    """It was begun before that was refused."""
    train("classify", tmp_path / "run", "--train", files(tmp_path)["classify"], "--steps", 1)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["checksums"]
    config["training"]["patience"] = 1
    path.write_text(json.dumps(config))
    assert train("classify", tmp_path / "run", "--steps", 2, resume=True)["steps"] == 2


def test_refused_where_memory_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    for task, data in files(tmp_path).items():
        with pytest.raises(memory.DoesNotFit, match="--force"):
            train(task, tmp_path / "run", "--train", data)
    assert not (tmp_path / "run").exists()


def test_dropped_words_are_unknown(rng):
    ids, valid = np.full((50, 40), 7, np.int32), np.arange(40) < rng.integers(1, 41, (50, 1))
    ids[~valid] = 0
    features = np.arange(6, dtype=np.int32) + np.zeros((50, 40, 1), np.int32)
    dropped, left = drop_words(ids, valid, features, 0.25, rng, naming=2)
    assert (dropped[~valid] == 0).all() and set(np.unique(dropped[valid])) == {UNK, 7}
    assert 0.2 < (dropped[valid] == UNK).mean() < 0.3 and dropped.dtype == ids.dtype
    assert (left[dropped == UNK] == [-1, -1, 2, 3, 4, 5]).all() and (left[dropped != UNK] == range(6)).all()
    assert (features == range(6)).all() and left.dtype == features.dtype
    same, none = drop_words(ids, valid, None, 0.25, None)
    assert same is ids and none is None


@pytest.mark.parametrize("options", [[], ["--no-crf"]])
def test_how_sure_a_tagger_is(tmp_path, options):
    """Of each tag that it gave; a long sentence has the probabilities of its pieces."""
    data = files(tmp_path)["tag"]
    train("tag", tmp_path / "run", "--train", data, "--steps", 20, "--max-len", 3, *options)
    tagger = tinyllm.load(tmp_path / "run")
    texts = ["Bob lives in Oslo City", "", "Ann"]
    long, none, short = tagger.predictions(texts, probabilities=True)
    assert none == {"tokens": [], "tags": [], "probabilities": []} and len(short["probabilities"]) == 1
    assert "probabilities" not in tagger.predictions(texts)[0] and long["tags"] == tagger.predictions(texts)[0]["tags"]
    expected = []
    for piece in (long["tokens"][:3], long["tokens"][3:]):
        ids, features = tagger.tokenizer.encode_tokens(piece)
        p = tagger.model.marginals(ids[None], None, features[None])[0]
        expected += [p[t, tagger.tags.index(tag)] for t, tag in enumerate(long["tags"][len(expected):][:len(piece)])]
    np.testing.assert_allclose(long["probabilities"], expected, rtol=1e-5)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for task, data in files(tmp_path).items():
        assert main(["finetune", task, "--train", str(data), "--dev", str(data), *SMALL, *OPTIONS[task],
                     "--steps", "2", "--out", task]) == 0
    return tmp_path


def test_finetune_evaluate_predict(trained, capsys):
    """The fields of --json, line for line predictions, and an empty line for an empty input."""
    capsys.readouterr()
    (trained / "in.txt").write_text("the red one\n\nAnn lives in Rome\n")
    fields = {"classify": {"accuracy", "macro_f1", "confusion"},
              "tag": {"precision", "recall", "f1", "by_type", "nats_per_token"},
              "seq2seq": {"bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "exact_match", "signature"}}
    for task in TASKS:
        assert main(["evaluate", task, f"{task}.tsv", "--json"]) == 0
        assert fields[task] <= set(json.loads(capsys.readouterr().out))
        assert main(["evaluate", task, f"{task}.tsv"]) == 0
        out = capsys.readouterr().out
        assert min(fields[task]) in out
        assert task != "classify" or "\nconfusion        a row is what is true," in out and "\nby_label " in out
        assert main(["predict", task, "in.txt"]) == 0
        lines = capsys.readouterr().out.split("\n")
        if task == "tag":
            assert [line.split("\t")[0] for line in lines] == [
                "the", "red", "one", "", "", "Ann", "lives", "in", "Rome", "", ""]
        else:
            assert len(lines) == 4 and lines[1] == lines[3] == "" and (task == "seq2seq" or lines[0] in ("good", "bad"))
        assert main(["predict", task, "in.txt", "--json"]) == 0
        predictions = json.loads(capsys.readouterr().out)["predictions"]
        assert len(predictions) == 3 and (task == "seq2seq") == ("probabilities" not in predictions[0])


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
@pytest.mark.parametrize("arguments, expected", [
    ([], (5, 1.0)), (["--length-penalty", "0"], (5, 0.0)), (["--length-penalty", "2.5", "--beam", "2"], (2, 2.5))])
def test_how_translations_are_searched_for(trained, monkeypatch, capsys, verb, arguments, expected):
    searched, translate = [], Seq2Seq.translate

    def recorded(self, *sources, beam, length_penalty, **more):
        searched.append((beam, length_penalty))
        return translate(self, *sources, beam=beam, length_penalty=length_penalty, **more)
    monkeypatch.setattr(Seq2Seq, "translate", recorded)
    assert main([verb, "seq2seq", "seq2seq.tsv", *arguments]) == 0
    assert set(searched) == {expected}


def test_what_comes_through_a_pipe(trained, capsys, monkeypatch):
    """Many lines at once, answered in order as those of a file; a bad byte is named as there."""
    def piped(data, *arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return main(["predict", "classify", *arguments]), *capsys.readouterr()
    lines = "".join(f"the {['red', 'blue'][i % 2]} one, number {i}\n" for i in range(200)) + "\nlast"
    (trained / "in.txt").write_text(lines)
    calls, batches = [], tinyllm.load("classify").__class__._probabilities
    monkeypatch.setattr("tinyllm.tasks.classify.TrainedClassifier._probabilities",
                        lambda self, inputs: calls.append(len(inputs)) or batches(self, inputs))
    code, out, err = piped(lines.encode())
    assert code == 0 and err == "" and out.count("\n") == 202 and calls == [200, 1]
    capsys.readouterr()
    assert main(["predict", "classify", "in.txt"]) == 0 and capsys.readouterr().out == out
    assert piped(b"fine\nab\xff\n") == (1, "", "tinyllm: stdin:2: not UTF-8 at byte 2 (0xff); --errors replace goes on "
                                               "with U+FFFD in its place\n")
    assert piped(b"fine\nab\xff\n", "--errors", "replace")[0] == 0


def test_a_text_is_no_list_of_texts(trained):
    """Its characters would be predicted one by one."""
    models = [tinyllm.load(task) for task in TASKS]
    for predict in [*(model.predict for model in models), *(model.predictions for model in models),
                    models[0].probabilities]:
        with pytest.raises(TypeError, match="predict: texts must be a list, got str"):
            predict("fine")
        with pytest.raises(TypeError, match=r"predict: texts\[1\] must be a string, got int"):
            predict(["fine", 1])


@pytest.mark.parametrize("beam", [0, -1, 1001, 2.0, None])
def test_a_beam_that_is_none(trained, beam):
    with pytest.raises(ValueError, match=f"predict: beam must be a whole number from 1 to 1000, got {beam}"):
        tinyllm.load("seq2seq").predict(["one five"], beam=beam)


def test_a_task_that_there_is_not(tmp_path):
    for name in ("foo", "lm"):
        with pytest.raises(ValueError, match=f"finetune: the task must be one of classify, tag, seq2seq, got '{name}'"):
            supervised.finetune(name, tmp_path / "run", {"train": ["x"]})


def test_options_of_another_task_are_wrong_usage(trained, capsys):
    for arguments, message in [
            (["predict", "tag", "in.txt", "--beam", "2"], "tag is a run of tag: leave out --beam"),
            (["predict", "classify", "in.txt", "--pretokenized"], "classify is a run of classify: leave out --pretok"),
            (["predict", "tag", "in.txt", "--length-penalty", "0"], "tag is a run of tag: leave out --length-pena"),
            (["predict", "seq2seq", "in.txt", "--beam", "100000"],
             "--beam: must be an integer at least 1 and at most 1000, got 100000"),
            (["predict", "seq2seq", "in.txt", "--length-penalty", "-1"], "--length-penalty: must be a number at least"),
            (["evaluate", "classify", "classify.tsv", "--length-penalty", "1"], "leave out --length-penalty"),
            (["evaluate", "tag", "tag.tsv", "--beam", "2"], "tag is a run of tag: leave out --beam"),
            (["evaluate", "seq2seq", "seq2seq.tsv", "--int8"], "seq2seq is a run of seq2seq: leave out --int8"),
            (["predict", "seq2seq", "in.txt", "--pretokenized"], "is a run of seq2seq: leave out --pretokenized"),
            (["evaluate", "tag", "tag.tsv", "--fields", "a,b", "--beam", "5"], "leave out --beam, --fields"),
            (["finetune", "tag", "--train", "tag.tsv", "--out", "x", "--select", "f1"],
             "--dev is needed with --select"),
            (["finetune", "tag", "--train", "tag.tsv", "--dev", "tag.tsv", "--out", "x", "--select", "chrf"],
             "argument --select: invalid choice: 'chrf'"),
            (["finetune", "tag", "--out", "tag", "--resume", "--select", "f1"], "leave out --select"),
            (["evaluate", "tag", "tag.tsv", "--fields", "a,b", "--format", "csv"], "leave out --fields, --format"),
            (["finetune", "tag", "--train", "tag.tsv", "--out", "x", "--format", "csv"], "arguments: --format"),
            (["finetune", "tag", "--train", "tag.tsv", "--out", "x", "--fields", "a,b"], "arguments: --fields"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--features", "lower,left"],
             "features: kinds must be distinct names of lower, prefixes, suffixes, shape, long_shape, ngrams, got"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--tokenizer", "char", "--features", "shape"],
             "names of left, right, around, class, got 'shape'"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--features", "lower", "--no-features"],
             "not allowed with argument"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--no-features", "--min-count", "3"],
             "min_count: must be left out where tokens have no features, got 3"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--tokenizer", "bpe", "--max-features", "3"],
             "max_features: must be left out where tokens have no features (those of bpe), got 3"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--tokenizer", "bpe", "--max-features", "50000"],
             "max_features: must be left out where tokens have no features (those of bpe), got 50000"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--tokenizer", "bpe", "--features", "lower"],
             "features: must be left out with the tokenizer bpe"),
            (["finetune", "tag", "--out", "x"], "--train needs at least one FILE"),
            (["finetune", "tag", "--train", "tag.tsv", "--out", "x", "--from", "y", "--hidden-dim", "8"],
             "--from takes sizes and tokenizer from the pretrained run: leave out --hidden-dim"),
            (["finetune", "tag", "--out", "tag", "--resume", "--no-crf", "--lr", "1"], "leave out --lr, --no-crf"),
            (["finetune", "tag", "--out", "tag", "--resume", "--from", "x"], "leave out --from"),
            (["finetune", "seq2seq", "--out", "x", "--resume", "--no-tie-weights"], "leave out --no-tie-weights"),
            (["finetune", "tag", "--out", "x", "--resume", "--no-features"], "out --features or --no-features"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--fields", "a,b,c"],
             "--fields must be two for classify, label and text, got a,b,c"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--columns", "1,2,3"],
             "--columns must be two for tag, token and tag, got 1,2,3"),
            (["evaluate", "tag", "tag.tsv", "--columns", "1,2,3"], "--columns must be two for tag"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--format", "babi"],
             "--format: invalid choice: 'babi' (choose from 'tsv', 'csv', 'jsonl')"),
            (["evaluate", "classify", "classify.tsv", "--format", "lines"],
             "--format must be one of tsv, csv, jsonl for classify, got lines"),
            (["finetune", "seq2seq", "--train", "x", "y", "--dev", "z", "--out", "y", "--format", "lines"],
             "--format lines takes two files, sources and targets, for --dev, got 1"),
            (["evaluate", "seq2seq", "seq2seq.tsv", "--format", "lines"], "two files, sources and targets, for FILE"),
            (["finetune", "tag", "--train", "x", "--out", "y", "--vocab-size", "1"],
             "--vocab-size must be at least 5 for --tokenizer token, got 1"),
            (["finetune", "seq2seq", "--train", "x", "--out", "y", "--vocab-size", "99"],
             "--vocab-size must be at least 260 for --tokenizer bpe, got 99"),
            (["finetune", "classify", "--train", "x", "--out", "y", "--columns", "1"], "numbers from 1 separated")]:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2 and message in capsys.readouterr().err


def test_what_answers_does_not_write(trained, capsys):
    for task in TASKS:
        capsys.readouterr()
        assert main(["generate", task, "the"]) == 1
        assert capsys.readouterr() == (
            "", f"tinyllm: {task}: is a run of {task}, which answers (tinyllm predict), not one to write\n")


def test_one_sentence_for_a_bad_file(trained, capsys):
    capsys.readouterr()
    (trained / "bad.tsv").write_text("alone\n")
    for arguments in (["evaluate", "classify", "bad.tsv"], ["predict", "classify", "nowhere.txt"],
                      ["finetune", "classify", "--train", "bad.tsv", "--out", "new"]):
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("tinyllm: ") and err.count("\n") == 1
    assert not (trained / "new").exists()


def test_a_config_of_another_shape_is_named(trained):
    def changed(task, edit):
        path = trained / task / "config.json"
        config = json.loads(path.read_text())
        config.pop("checksums", None)
        edit(config)
        path.write_text(json.dumps(config))
    changed("classify", lambda config: config["about"].update(labels=["a"]))
    with pytest.raises(RunFolderError, match="config.json: about.labels must be a list of at least 2 different names"):
        tinyllm.load("classify")
    changed("classify", lambda config: config["about"].update(labels=["a", "b", "c"]))
    with pytest.raises(RunFolderError, match="model.num_classes must be the number of about.labels, got 2 and 3"):
        tinyllm.load("classify")
    changed("tag", lambda config: config["model"].update(num_features=3))
    with pytest.raises(RunFolderError, match="num_features in config.json is 3"):
        tinyllm.load("tag")
    (trained / "classify" / "tokenizer.json").write_text((trained / "seq2seq" / "tokenizer.json").read_text())
    changed("classify", lambda config: config["about"].update(labels=["a", "b"]))
    with pytest.raises(RunFolderError, match="tokenizer.json: type must be one of featured, bpe, got 'word'"):
        tinyllm.load("classify")
    changed("seq2seq", lambda config: config["training"].update(truncate="left"))
    with pytest.raises(RunFolderError, match="training.truncate must be one of end, start, or left out, got 'left'"):
        tinyllm.load("seq2seq")
    for edit in (lambda training: training.update(truncate=None), lambda training: training.pop("truncate")):
        changed("seq2seq", lambda config: edit(config["training"]))
        inputs = tinyllm.load("seq2seq").inputs
        np.testing.assert_array_equal(inputs.of_text("one" + " five" * 900).ids[:1], inputs.of_text("one").ids)
    before = tinyllm.load("seq2seq").predict(["one five"])
    for edit in (lambda decoder: decoder.update(copies=None), lambda decoder: decoder.pop("copies")):
        changed("seq2seq", lambda config: edit(config["model"]["decoder"]))  # older runs do not say
        assert tinyllm.load("seq2seq").predict(["one five"]) == before
    changed("seq2seq", lambda config: config["model"]["decoder"].update(copies=2))
    with pytest.raises(RunFolderError, match="model.decoder.copies must be true, false or left out, got 2"):
        tinyllm.load("seq2seq")
    changed("seq2seq", lambda config: config["model"]["decoder"].update(copies=True))
    with pytest.raises(RunFolderError, match="model.safetensors: holds .* numbers, a model of the sizes in"):
        tinyllm.load("seq2seq")
    changed("seq2seq", lambda config: config["model"]["decoder"].pop("copies"))
    changed("seq2seq", lambda config: config["model"]["decoder"].update(vocab_size=9))
    with pytest.raises(RunFolderError, match="model.encoder.vocab_size and model.decoder.vocab_size must be the same"):
        tinyllm.load("seq2seq")
    changed("seq2seq", lambda config: config["model"]["decoder"].update(depth=9))
    with pytest.raises(RunFolderError, match="model.decoder has an entry that this version does not know, 'depth'"):
        tinyllm.load("seq2seq")
