"""What a training is asked for has its effect on the loss, on nothing that is scored, and on the right parameters."""
import importlib
import json

import numpy as np
import pytest

import tinyllm
from tests.tasks.supervised import DATA, files, pretrained, settings, train
from tinyllm.cli import main
from tinyllm.models.encoder import Encoder
from tinyllm.tasks.inputs import Inputs
from tinyllm.tasks.settings import FINETUNE, SELECT
from tinyllm.tasks.vocabularies import make_tokenizer
from tinyllm.text.features import KINDS, USUAL
from tinyllm.training import loop
from tinyllm.training.run_folder import RunFolder

OFF = {"dropout": 0.0, "word_dropout": 0.0, "label_smoothing": 0.0, "teacher_forcing_ratio": 1.0}
ON = {"dropout": 0.5, "word_dropout": 0.5, "label_smoothing": 0.3, "teacher_forcing_ratio": 0.0}
EFFECTS = [(task, name) for task in DATA for name in OFF if name in FINETUNE[task]]


def made(folder, task, **changed):
    """A task with its model, as finetune makes it; the same weights whatever is changed."""
    module, data = importlib.import_module(f"tinyllm.tasks.{task}"), files(folder)[task]
    chosen = {**FINETUNE[task], **settings(task, "--train", data, "--dev", data)}
    chosen |= {name: value for name, value in {**OFF, **changed}.items() if name in chosen}
    records = module.read([data], chosen)
    tokenizer, about = module.make_tokenizer(records, chosen, None), module.describe(records)
    result = module.Task(tokenizer, records, records, chosen, about, np.random.default_rng(0))
    result.start(module.make_model(module.model_config(chosen, tokenizer, about), np.random.default_rng(1)))
    return result


def loss(task):
    return task.loss(np.arange(8), np.random.default_rng(0)).item()


def test_every_setting_is_looked_at():
    assert {("classify", "label_smoothing"), ("seq2seq", "teacher_forcing_ratio")} < set(EFFECTS)
    assert len(EFFECTS) == 3 + 2 + 4


@pytest.mark.parametrize("task, name", EFFECTS)
def test_training_minds_its_settings(tmp_path, task, name):
    plain = loss(made(tmp_path, task))
    assert plain == loss(made(tmp_path, task)) != loss(made(tmp_path, task, **{name: ON[name]}))


@pytest.mark.parametrize("task", DATA)
def test_what_is_scored_is_the_model_alone(tmp_path, task):
    """Neither chance nor what makes training harder has a part in it."""
    trained = made(tmp_path, task, **ON)
    scores = trained.evaluate()
    assert scores == trained.evaluate() == made(tmp_path, task).evaluate() and scores["valid_loss"] > 0


@pytest.mark.parametrize("task, passes", [("classify", 1), ("tag", 1), ("seq2seq", 2)])
def test_an_evaluation_reads_dev_no_more_than_it_must(tmp_path, monkeypatch, task, passes):
    """Its texts are tokens already; the encoder goes over them once, for translations once more: they are fewer."""
    trained, batches, forward = made(tmp_path, task), [], Encoder.forward
    fresh, size = trained.trained.score(trained.dev, **{"beam": 1} if task == "seq2seq" else {}), len(trained.dev)

    def counted(self, ids, *rest, **options):
        batches.append(len(ids))
        return forward(self, ids, *rest, **options)
    monkeypatch.setattr(Encoder, "forward", counted)
    for name in ("of_text", "of_tokens"):
        monkeypatch.setattr(Inputs, name, None)
    scores = trained.evaluate()
    assert sum(batches) == passes * size
    assert {name: fresh[name] for name in scores if name in fresh} == {
        name: value for name, value in scores.items() if name in fresh} != {}


def test_white_space_around_a_source_is_nothing(tmp_path):
    """As where it is predicted from."""
    plain = made(tmp_path, "seq2seq")
    (tmp_path / "wide").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATA, "seq2seq", DATA["seq2seq"].replace("\t", "  \t"))
        wide = made(tmp_path / "wide", "seq2seq")
    for ours, theirs in zip(plain.sources + [a for a, _ in plain.dev_pairs],
                            wide.sources + [a for a, _ in wide.dev_pairs], strict=True):
        assert plain.trained.tokenizer.decode(ours.ids) == wide.trained.tokenizer.decode(theirs.ids)


@pytest.mark.parametrize("task", DATA)
def test_an_evaluation_has_the_fields_of_select_in_any_order(tmp_path, monkeypatch, task):
    fields = SELECT[task]
    monkeypatch.setitem(SELECT, task, fields[::-1])
    assert set(made(tmp_path, task).evaluate()) == set(fields)


WORDS, CHARACTERS = USUAL["word"], USUAL["char"]


@pytest.mark.parametrize("task", ["classify", "tag"])
@pytest.mark.parametrize("tokenizer, features, kinds", [
    ("token", None, WORDS), ("token", True, WORDS), ("token", ["ngrams", "lower"], ("lower", "ngrams")),
    ("token", False, None), ("token", (), None), ("char", None, CHARACTERS), ("char", ("around",), ("around",))])
def test_what_a_token_is_besides_itself(tmp_path, task, tokenizer, features, kinds):
    texts = ["a b a", "b a"] if task == "classify" else [["a", "b", "a"], ["b", "a"]]
    chosen = {**FINETUNE[task], "tokenizer": tokenizer, "features": features, "min_count": 1}
    found = make_tokenizer(texts, chosen).features
    assert (found and found.kinds) == kinds


def test_how_many_features_are_kept():
    """Three words, each twice: 3 lower, 9 prefixes, 9 suffixes, 2 shapes, 2 long ones; Ann is there once more."""
    texts = [["Ann", "met", "Bob"], ["Bob", "met", "Ann"], ["Ann"]]

    def kept(**changed):
        return make_tokenizer(texts, {**FINETUNE["tag"], **changed}).num_features
    assert kept() == 25 and kept(max_features=7) == 7 and kept(min_count=3) == 1 + 3 + 3 + 1 + 1
    assert kept(min_count=9) == 0


@pytest.mark.parametrize("tokenizer, features, message", [
    ("token", ["left"], "features: kinds must be distinct names of lower, prefixes, .*, ngrams, got 'left'"),
    ("char", ["lower"], "features: kinds must be distinct names of left, right, around, class, got 'lower'"),
    ("token", ["lower", "lower"], "features: kinds must be distinct names of"),
    ("token", "lower", "features: must be None, False or a list of kinds, got 'lower'"),
    ("bpe", ["lower"], r"features: must be left out with the tokenizer bpe, whose tokens have none, got \['lower'\]"),
])
def test_features_that_tokens_do_not_have_are_named(tokenizer, features, message):
    with pytest.raises(ValueError, match=message):
        make_tokenizer(["a b a"] * 20, {**FINETUNE["classify"], "tokenizer": tokenizer, "features": features})


def test_features_are_those_asked_for(tmp_path):
    """From the command line into the run's tokenizer; a run older than the choice goes on."""
    data, out = files(tmp_path)["tag"], tmp_path / "run"
    train("tag", out, "--train", data, "--steps", 1, "--features", "shape,lower", "--min-count", 3,
          "--max-features", 9)
    found = tinyllm.load(out).tokenizer.features
    assert found.kinds == ("lower", "shape") and found.num_features == 9
    config = json.loads((out / "config.json").read_text())
    del config["checksums"], config["training"]["min_count"], config["training"]["max_features"]
    config["training"]["features"] = True
    (out / "config.json").write_text(json.dumps(config))
    assert train("tag", out, "--steps", 2, resume=True)["steps"] == 2
    assert tinyllm.load(out).tokenizer.features.kinds == ("lower", "shape")


def test_help_names_every_kind_of_feature(capsys):
    with pytest.raises(SystemExit):
        main(["finetune", "classify", "--help"])
    text = capsys.readouterr().out
    assert all(kind in text for kinds in KINDS.values() for kind in kinds)


@pytest.mark.parametrize("task", DATA)
def test_who_decays_and_who_learns_more_slowly(tmp_path, monkeypatch, task):
    """Matrices decay, biases and gains do not; from_lr is of the rate of what was taken over alone."""
    start, data, seen = pretrained(tmp_path, text=DATA[task] * 6), files(tmp_path)[task], []

    def stopped(task, optimizer, *rest, **options):
        seen.append((dict(task.named_parameters()), optimizer.param_groups))
        return {}
    monkeypatch.setattr(loop, "train", stopped)
    train(task, tmp_path / "run", "--train", data, "--from", start, "--lr", 0.01, "--from-lr", 0.1,
          "--weight-decay", 0.3)
    (named, groups), taken = seen[0], RunFolder.open(tmp_path / "run").config["taken"]
    of_id = {id(parameter): (group["lr"], group["weight_decay"]) for group in groups for parameter in group["params"]}
    vectors = [name for name in named if "bias" in name or "norm" in name or name in ("start", "end")]
    assert 0 < len(set(taken) & set(vectors)) < len(taken) < len(named) and set(vectors) - set(taken)
    for name, parameter in named.items():
        rate, decay = of_id[id(parameter)]
        assert rate == pytest.approx(0.001 if name in taken else 0.01), name
        assert decay == (0.0 if name in vectors else 0.3), name
