"""Run folders that another program wrote: no checksums, so every entry may be wrong, and each is named."""
import json

import numpy as np
import pytest

import tinyllm
from tinyllm.models import LanguageModel
from tinyllm.tasks import lm
from tinyllm.text import CharTokenizer
from tinyllm.training.run_folder import RunFolder, RunFolderError

TOKENIZER = CharTokenizer.train("abc ")


@pytest.fixture
def run(tmp_path, rng):
    model = LanguageModel(TOKENIZER.vocab_size, embed_dim=4, hidden_dim=6, num_heads=2, rng=rng)
    run = RunFolder.create(tmp_path / "run", {"task": "lm", "model": model.config, "training": {"seq_len": 8}},
                           TOKENIZER.to_json())
    run.save_model(model.state_dict())
    change(run, lambda config: None)
    return run


def change(run, edit):
    """Rewrite config.json as another program might: edited, and without checksums."""
    config = json.loads((run.path / "config.json").read_text())
    config.pop("checksums", None)
    edit(config)
    (run.path / "config.json").write_text(json.dumps(config))


def set_entry(part, name, value):
    return lambda config: config[part].update({name: value})


def delete(part, name):
    return lambda config: config[part].pop(name)


def test_one_that_is_right_is_loaded(run):
    model = tinyllm.load(run.path)
    text = model.generate("ab", max_tokens=3)
    assert len(text) == 3 and model.score("abc").chars == 3
    assert model.piece == "20-character pieces"
    assert model.novel_share(["abc " * 20]) is None  # nobody knows what it was trained on


@pytest.mark.parametrize("entry", [
    "vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "cell", "dropout",
    "tie_weights"])
@pytest.mark.parametrize("edit, got", [
    (lambda entry: delete("model", entry), "nothing"),
    (lambda entry: set_entry("model", entry, "x"), "'x'"),
    (lambda entry: set_entry("model", entry, [1]), r"\[1\]"),
    (lambda entry: set_entry("model", entry, -1), "-1"),
], ids=["missing", "string", "list", "negative"])
def test_every_entry_of_the_model_is_checked(run, entry, edit, got):
    change(run, edit(entry))
    with pytest.raises(RunFolderError, match=rf"run.config\.json: model\.{entry} must be .*, got {got}$"):
        tinyllm.load(run.path)


@pytest.mark.parametrize("edit, message", [
    (set_entry("model", "colour", 3), "model has an entry that this version does not know, 'colour'"),
    (set_entry("model", "hidden_dim", True), "model.hidden_dim must be a whole number from 1, got True"),
    (set_entry("model", "hidden_dim", 6.0), "model.hidden_dim must be a whole number from 1, got 6.0"),
    (set_entry("model", "num_heads", 4), "model.num_heads must divide model.hidden_dim, got 4 and 6"),
    (set_entry("model", "cell", "elman"), "model.cell must be one of gru, lstm, rnn, got 'elman'"),
    (delete("training", "seq_len"), "training.seq_len must be a whole number from 1, got nothing"),
    (set_entry("training", "seq_len", 10**30), "training.seq_len must be a whole number from 1, got 10000"),
    (lambda config: config.pop("training"), "training.seq_len must be a whole number from 1, got nothing"),
    (lambda config: config.update(training=[8]), "training.seq_len must be a whole number from 1, got nothing"),
])
def test_other_entries_are_checked(run, edit, message):
    change(run, edit)
    with pytest.raises(RunFolderError, match=f"config.json: {message}"):
        tinyllm.load(run.path)


@pytest.mark.parametrize("entry, value", [
    ("hidden_dim", 100_000), ("embed_dim", 2**31 - 1), ("num_layers", 2**31 - 1), ("num_attention_layers", 2**31 - 1)])
def test_a_size_that_the_weights_do_not_have_makes_no_model(run, monkeypatch, entry, value):
    def made(*arguments, **options):
        raise AssertionError("a model was made")
    monkeypatch.setattr(lm, "LanguageModel", made)
    change(run, set_entry("model", entry, value))
    with pytest.raises(RunFolderError, match="model.safetensors: holds .* a model of the sizes in config.json has"):
        tinyllm.load(run.path)


@pytest.mark.parametrize("arrays, message", [
    (lambda arrays: {"x": np.zeros(sum(a.size for a in arrays.values()), np.float32)},
     "not the weights of the model in config.json .*x: not in this model; embedding.weight: missing"),
    (lambda arrays: {**arrays, "output.bias": arrays["output.bias"].astype(np.int8)},
     "tensor 'output.bias' must be floating point, got int8"),
    (lambda arrays: {**arrays, "more": np.zeros(1, np.float32)}, "holds [0-9]+ numbers, a model of the sizes"),
    (lambda arrays: {name if name != "output.bias" else "a\nb": a for name, a in arrays.items()},
     r"not the weights of the model in config.json .*a\\nb: not in this model; output.bias: missing"),
])
def test_weights_of_another_model_are_named(run, arrays, message):
    run.save_model(arrays(run.load_model()))
    with pytest.raises(RunFolderError, match=f"model.safetensors: {message}"):
        tinyllm.load(run.path)


@pytest.mark.parametrize("text, message", [
    (None, "is missing"),
    ("{}", "tokenizer: type must be one of char, word, bpe, token, featured, sentences, got nothing"),
    ('{"type": "bpe"}', "tokenizer: model must be an object, got nothing"),
    (CharTokenizer.train("abcd ").to_json(), "has 9 tokens, model.vocab_size in config.json is 8"),
])
def test_a_tokenizer_that_does_not_fit_is_named(run, text, message):
    if text is None:
        (run.path / "tokenizer.json").unlink()
    else:
        (run.path / "tokenizer.json").write_text(text)
    with pytest.raises(RunFolderError, match=f"tokenizer.json: {message}"):
        tinyllm.load(run.path)
