import json

import pytest

from tests.process import run_python
from tinyllm.training import memory

SMALL = {"model": {"vocab_size": 65, "embed_dim": 64, "hidden_dim": 256, "num_layers": 1,
                   "num_attention_layers": 1, "num_heads": 4, "cell": "gru", "dropout": 0.2,
                   "tie_weights": False},
         "batch_size": 64, "seq_len": 128, "average": 0.9}


ENCODER = {**{name: value for name, value in SMALL["model"].items() if name != "tie_weights"},
           "bidirectional": True, "num_features": 0}
CLASSIFIER = {"task": "classify", "model": {**ENCODER, "num_features": 20_000, "num_classes": 5},
              "batch_size": 64, "tokens": 100, "slots": 20, "average": 0.9}
SEQ2SEQ = {"task": "seq2seq", "batch_size": 64, "tokens": 60, "average": 0.9, "model": {
    "encoder": {**ENCODER, "vocab_size": 8000, "embed_dim": 256, "hidden_dim": 512},
    "decoder": {**SMALL["model"], "vocab_size": 8000, "embed_dim": 256, "hidden_dim": 512, "memory_dim": 512,
                "tie_weights": True}, "max_seq_len": 60, "share_embeddings": True}}
COPIES = {**SEQ2SEQ, "model": {**SEQ2SEQ["model"], "decoder": {**SEQ2SEQ["model"]["decoder"], "copies": True}}}


def _lm(**change):
    return {**SMALL, "model": {**SMALL["model"], **change}}


@pytest.mark.slow  # trains twice, because the kernels have to come from the cache
@pytest.mark.parametrize("settings", [
    _lm(), _lm(vocab_size=8000, embed_dim=256, num_layers=2), _lm(cell="lstm", num_layers=3),
    _lm(cell="rnn", num_attention_layers=0), _lm(dropout=0.0, vocab_size=4000),
    _lm(tie_weights=True, vocab_size=4000, num_attention_layers=3),
    CLASSIFIER, SEQ2SEQ, COPIES])
def test_within_a_quarter_of_what_is_measured(settings):
    settings = json.dumps(settings)
    run_python("-m", "tests.training.measured_memory", settings)  # compiles
    result = json.loads(run_python("-m", "tests.training.measured_memory", settings).splitlines()[-1])
    assert sum(result["parts"].values()) == pytest.approx(result["measured"], rel=0.25), result


def test_grows_with_every_size():
    def total(**change):
        config = {**SMALL["model"], **{n: v for n, v in change.items() if n in SMALL["model"]}}
        rest = {"batch_size": 32, "seq_len": 64, **{n: v for n, v in change.items() if n not in config}}
        return sum(memory.estimate_bytes(config, 100_000, **rest).values())
    for change in [{"vocab_size": 8000}, {"hidden_dim": 512}, {"num_layers": 2}, {"cell": "lstm"},
                   {"num_attention_layers": 2}, {"batch_size": 64}, {"seq_len": 512}, {"average": True},
                   {"tokens": 10 ** 6}]:
        assert total(**change) > total()


def test_refused_unless_forced(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 3 << 30)
    fits, fails = {"weights": 3 << 30}, {"weights": 3 << 30, "kept": 1 << 30, "code": 60 << 20, "text": 0}
    memory.check_fits(fits)
    memory.check_fits(fails, force=True)
    with pytest.raises(memory.DoesNotFit, match=r"needs about 4.1 GB of memory and 3.0 GB are free "
                                                r"\(most of it: weights 3.0 GB, kept 1.0 GB, code 60 MB\)"):
        memory.check_fits(fails)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check_fits(fails)


@pytest.mark.parametrize("number, text", [
    (0, "0 KB"), (300_000, "293 KB"), (60 << 20, "60 MB"), (3 << 29, "1.5 GB"), (5 << 40, "5.0 TB"),
    (5000 << 40, "5,000.0 TB")])
def test_sizes_as_a_person_reads_them(number, text):
    assert memory.size(number) == text


def test_available_bytes():
    assert 1 << 20 < memory.available_bytes() < 1 << 50
