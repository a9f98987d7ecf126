"""The language model's task, from a file to a text: scoring, training, resuming, writing."""
import gzip
import math

import numpy as np
import pytest

import tinyllm
from tests.oracle import assert_close
from tinyllm.autograd import Tensor
from tinyllm.cli import parser
from tinyllm.cli.pretrain import settings_of
from tinyllm.models import LanguageModel, language_model
from tinyllm.ops.cross_entropy import IGNORE
from tinyllm.tasks import lm
from tinyllm.tasks.settings import CELLS, FROM_EMBEDDINGS
from tinyllm.text import BOS
from tinyllm.training.progress import Progress

TEXT = "she sells sea shells by the sea shore, and the shells she sells are sea shells for sure.\n" * 40
SMALL = ["--hidden-dim", "16", "--embed-dim", "8", "--num-heads", "2", "--batch-size", "4", "--seq-len", "16",
         "--lr", "0.01"]


def settings(*arguments):
    """Those of the command line for a small model and these arguments."""
    return settings_of(parser().parse_args(["pretrain", "--out", "-", *SMALL, *map(str, arguments)]))


def pretrain(out, *arguments, **options):
    return lm.pretrain(out, settings(*arguments), progress=Progress(quiet=True), **options)


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "book.txt"


class Recorder:
    """A model that predicts nothing and keeps what it was asked: inputs and targets (rows, length)."""

    def initial_state(self, rows, context):
        self.inputs, self.targets = np.zeros((2, rows, 0), int)
        return self

    def loss(self, ids, targets, state):
        assert state is self and ids.shape == targets.shape and ids.shape[1] <= 64
        self.inputs = np.concatenate([self.inputs, ids], axis=1)
        self.targets = np.concatenate([self.targets, targets], axis=1)
        return Tensor(np.zeros(()))


@pytest.mark.parametrize("length", [
    1, 2, 300, 8 * lm.RUN_IN - 1, 8 * lm.RUN_IN, 8 * lm.RUN_IN + 13, 64 * 4 * lm.RUN_IN + 1])
def test_every_token_is_scored_once_from_what_precedes_it(length):
    """In the text 4, 5, 6, ... each token is its own place: none twice, none left out, RUN_IN tokens before each."""
    ids, model = np.arange(4, 4 + length), Recorder()
    assert lm.score(model, ids, length, seq_len=64, context=64).tokens == length
    before = np.concatenate([[BOS], ids[:-1]])
    rows, columns = np.nonzero(model.targets != IGNORE)
    places = model.targets[rows, columns] - 4
    np.testing.assert_array_equal(np.sort(places), np.arange(length))
    for back in range(lm.RUN_IN):
        there = places >= back
        np.testing.assert_array_equal(
            model.inputs[rows[there], columns[there] - back], before[places[there] - back])


@pytest.mark.parametrize("length", [1, 2, 300, 2 * 4 * lm.RUN_IN + 13])
def test_the_score_is_that_of_one_pass(rng, length):
    """In rows with a run-in, the score is that of one pass over the whole text, nearly; short texts exactly."""
    model = LanguageModel(9, embed_dim=8, hidden_dim=12, num_heads=3, rng=rng, dtype=np.float64)
    ids = rng.integers(4, 9, length)
    ours = lm.score(model, ids, length, seq_len=64, context=64)
    logits = []
    state = model.initial_state(1, context=64)
    before = np.concatenate([[BOS], ids[:-1]])
    for t in range(0, length, 64):
        logits.append(model(before[None, t:t + 64], state).data[0])
    logits = np.concatenate(logits)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert ours.tokens == length
    assert_close(ours.nats, -log_p[np.arange(length), ids].sum(), 1e-12 if length < 4 * lm.RUN_IN else 1e-3)


@pytest.mark.parametrize("tokenizer", ["char", "word", "bpe"])
def test_from_a_file_to_a_text(tmp_path, book, tokenizer):
    size = ["--vocab-size", "280"] if tokenizer == "bpe" else []
    result = pretrain(tmp_path / "run", book, "--steps", 30, "--tokenizer", tokenizer, *size)
    assert result["steps"] == 30 and result["run"] == str(tmp_path / "run")
    assert result["chars"] == len(TEXT) // 10
    model = tinyllm.load(tmp_path / "run")
    assert model.score(TEXT[-(len(TEXT) // 10):]).nats_per_char == pytest.approx(result["nats_per_char"])
    text = model.generate("she ", max_tokens=20, seed=1)
    assert text and text == model.generate("she ", max_tokens=20, seed=1)
    assert "".join(model.stream("she ", max_tokens=20, seed=1)) == text
    assert model.generate("she ", max_tokens=20, seed=1, num_samples=2)[0] == text
    assert 0 <= model.novel_share([text * 9]) <= 1


def test_it_learns(tmp_path, book):
    result = pretrain(tmp_path / "run", book, "--steps", 150)
    assert result["nats_per_char"] < 1.0 < math.log(len(set(TEXT)))


def test_evaluate_reads_files_one_after_the_other(tmp_path, book):
    pretrain(tmp_path / "run", book, "--steps", 2)
    (tmp_path / "a.txt").write_text("she sells ", encoding="utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("sea shells".encode()))
    model = tinyllm.load(tmp_path / "run")
    both = model.evaluate(tmp_path / "a.txt", tmp_path / "b.txt.gz")
    assert set(both) == {"nats_per_char", "nats_per_token", "perplexity", "chars", "tokens"}
    assert both == model.score("she sells sea shells").as_dict()
    with pytest.raises(ValueError, match="score: the text is empty"):
        model.score("")


@pytest.mark.parametrize("arguments", [[], ["--shuffle"], ["--cell", "lstm", "--average", "0.9"]])
def test_a_resumed_run_is_the_run(tmp_path, book, arguments):
    """Stopped after 8 of 20 steps, inside an epoch, and resumed: the same weights to the bit."""
    common = [book, "--evaluate-every", 4, "--dropout", 0.2, *arguments]
    pretrain(tmp_path / "whole", *common, "--steps", 20)
    stopping = lm.Pretraining.loss
    calls = []

    def stop_at_9(self, batch, rng):
        calls.append(1)
        if len(calls) == 9:
            raise MemoryError
        return stopping(self, batch, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lm.Pretraining, "loss", stop_at_9)
        with pytest.raises(MemoryError):
            pretrain(tmp_path / "broken", *common, "--steps", 20)
    pretrain(tmp_path / "broken", resume=True)
    whole, broken = (tinyllm.load(tmp_path / name).model.state_dict() for name in ("whole", "broken"))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, broken[name], err_msg=name)
    assert tinyllm.load(tmp_path / "broken").config["training"]["seq_len"] == 16


def test_resuming_on_another_text_is_refused(tmp_path, book):
    pretrain(tmp_path / "run", book, "--steps", 2)
    book.write_text(TEXT + "more", encoding="utf-8")
    with pytest.raises(ValueError, match="run: the text must be what the run was started with, [0-9]+ "
                                         "characters, got [0-9]+ characters"):
        pretrain(tmp_path / "run", resume=True)
    assert tinyllm.load(tmp_path / "run").novel_share(["anything that is long enough"]) is None


@pytest.mark.parametrize("text, arguments, message", [
    ("too short", [], "the text has 9 tokens, a window of 16 and the token after it need 17"),
    ("short for four streams", [], "the text has 22 tokens, 4 streams of windows of 16 need 65"),
    ("too short", ["--shuffle"], "the text has 9 tokens, a window of 16 and the token after it need 17"),
    (TEXT, ["--vocab-size", "999"], "999"),
])
def test_a_text_that_cannot_be_trained_on_is_refused_before_a_folder_is_made(tmp_path, book, text, arguments, message):
    book.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        pretrain(tmp_path / "run", book, "--steps", 2, "--valid-fraction", 0, *arguments)
    assert not (tmp_path / "run").exists()


def test_chinese_works_throughout(tmp_path):
    poem = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n" * 40
    (tmp_path / "poem.txt").write_text(poem, encoding="utf-8")
    for tokenizer in ("char", "bpe"):
        pretrain(tmp_path / tokenizer, tmp_path / "poem.txt", "--steps", 3, "--tokenizer", tokenizer)
        model = tinyllm.load(tmp_path / tokenizer)
        assert model.tokenizer.decode(model.tokenizer.encode("床前明月")) == "床前明月"
        assert len(model.generate("床前", max_tokens=12)) > 0


def test_one_file_instead_of_a_list(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT)
    for name, file in [("a", str(tmp_path / "book.txt")), ("b", tmp_path / "book.txt")]:
        given = {**settings_of(parser().parse_args(["pretrain", "--out", "-", *SMALL, "--steps", "1"])), "files": file}
        lm.pretrain(tmp_path / name, given, progress=Progress(quiet=True))
        assert tinyllm.load(tmp_path / name).config["training"]["files"] == [str(tmp_path / "book.txt")]


def test_a_setting_that_is_not_one_of_a_few(tmp_path):
    for given, message in [({"tokenizer": "words"}, "tokenizer must be one of char, word, bpe, got 'words'"),
                           ({"cell": None}, "cell must be one of gru, lstm, rnn, got None")]:
        with pytest.raises(ValueError, match=f"pretrain: {message}"):
            lm.pretrain(tmp_path / "run", given)
    assert CELLS == tuple(language_model.CELLS)


@pytest.mark.parametrize("setting, value, own", [("embed_dim", 128, "8"), ("vocab_size", 99, "[0-9]+"),
                                                 ("tokenizer", "bpe", "'char'")])
def test_sizes_that_the_embeddings_do_not_have_are_refused(tmp_path, book, setting, value, own):
    """Also where the value is the default; what they have is what the run's settings say, which repeat it."""
    pretrain(tmp_path / "start", book, "--steps", 1)
    given = {"files": book, "steps": 1, "seq_len": 16, "hidden_dim": 16, "embeddings_from": tmp_path / "start"}
    with pytest.raises(ValueError, match=f"pretrain: {setting} must be {own} as in .*, or left out, got {value!r}"):
        lm.pretrain(tmp_path / "run", {**given, setting: value})
    assert not (tmp_path / "run").exists()
    for name in ("run", "again"):
        lm.pretrain(tmp_path / name, given, progress=Progress(quiet=True))
        config, given = (tinyllm.load(tmp_path / name).config[part] for part in ("model", "training"))
        assert [given[size] for size in FROM_EMBEDDINGS] == [8, "char", config["vocab_size"]]
        assert config["embed_dim"] == 8
