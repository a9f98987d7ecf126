"""A language model's run that was broken off and resumed: the same run, and with the budget that was asked for last."""
import signal

import pytest

from tests.tasks.supervised import files, train
from tests.tasks.test_lm import TEXT, pretrain
from tests.training.same_run import assert_same_run
from tinyllm.tasks import lm
from tinyllm.training import memory
from tinyllm.training.loop import Interrupted
from tinyllm.training.run_folder import RunFolder, RunFolderError


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "book.txt"


def crash():
    raise MemoryError


def interrupt():
    signal.raise_signal(signal.SIGINT)


def broken_off(step, act, out, *arguments, **options):
    """pretrain() with an act in the loss of the given step, which must end it."""
    losses, loss = [], lm.Pretraining.loss

    def breaking_loss(task, batch, rng):
        losses.append(1)
        if len(losses) == step:
            act()
        return loss(task, batch, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lm.Pretraining, "loss", breaking_loss)
        with pytest.raises((MemoryError, Interrupted)):
            pretrain(out, *arguments, **options)


@pytest.mark.parametrize("step, act", [(8, interrupt), (7, interrupt), (11, crash)])
@pytest.mark.parametrize("arguments", [
    [], ["--shuffle", "--warmup", 0.3], ["--cell", "lstm", "--average", 0.9]])
def test_stopped_and_resumed_is_the_whole_run(tmp_path, book, arguments, step, act):
    """20 steps of an epoch of 49 against 8 and the rest: arrays, counters, random states, log lines."""
    common = [book, "--steps", 20, "--evaluate-every", 4, "--dropout", 0.2, *arguments]
    whole = pretrain(tmp_path / "whole", *common)
    broken_off(step, act, tmp_path / "broken", *common)
    resumed = pretrain(tmp_path / "broken", resume=True)
    for result in (whole, resumed):
        del result["run"], result["seconds"]
    assert whole == resumed and whole["steps"] == 20
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_resumed_without_the_run_that_the_embeddings_are_from(tmp_path, book):
    """The table is the run's own by then, and still as it was."""
    pretrain(tmp_path / "other", book, "--steps", 2)
    table = RunFolder.open(tmp_path / "other").load_model()["embedding.weight"]
    common = [book, "--steps", 6, "--evaluate-every", 2, "--embeddings-from", tmp_path / "other"]
    whole = pretrain(tmp_path / "whole", *common)
    broken_off(4, interrupt, tmp_path / "broken", *common)
    (tmp_path / "other").rename(tmp_path / "away")
    assert pretrain(tmp_path / "broken", resume=True)["valid_loss"] == whole["valid_loss"]
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert (RunFolder.open(tmp_path / "broken").load_model()["embedding.weight"] == table).all()


def test_a_second_resume_keeps_the_horizon_of_the_first(tmp_path, book):
    """10 steps, resumed for 20, stopped at 15, resumed: 20 is what was asked for last."""
    pretrain(tmp_path / "run", book, "--steps", 10)
    broken_off(5, interrupt, tmp_path / "run", "--steps", 20, resume=True)
    assert pretrain(tmp_path / "run", resume=True)["steps"] == 20
    assert pretrain(tmp_path / "run", "--epochs", 1, resume=True)["epochs"] == 1
    assert pretrain(tmp_path / "run", resume=True)["epochs"] == 1


def test_resumed_by_force_where_memory_is_short(tmp_path, book, monkeypatch):
    pretrain(tmp_path / "run", book, "--steps", 2)
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    with pytest.raises(memory.DoesNotFit, match="--force"):
        pretrain(tmp_path / "run", "--steps", 4, resume=True)
    assert pretrain(tmp_path / "run", "--steps", 4, resume=True, force=True)["steps"] == 4


def test_a_run_that_ended_before_its_first_checkpoint_is_started_anew(tmp_path, book):
    broken_off(1, crash, tmp_path / "run", book, "--steps", 2)
    with pytest.raises(ValueError, match="nothing to resume: start this run again"):
        pretrain(tmp_path / "run", resume=True)
    assert pretrain(tmp_path / "run", book, "--steps", 2)["steps"] == 2


def test_a_run_of_another_task(tmp_path):
    train("classify", tmp_path / "run", "--train", files(tmp_path)["classify"], "--steps", 1)
    with pytest.raises(RunFolderError, match="run: its task is classify, not lm"):
        pretrain(tmp_path / "run", resume=True)
