"""An error or a kill at each single step of writing a checkpoint (PROMISES 8 and 9).

The steps are the calls into the operating system that write: mkdir, open, write, fsync, link, rename and
truncate.  Faulty counts them and fails, or kills its own process, at the one it is told.
"""
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyllm.training import atomic_writing, metrics_log
from tinyllm.training.run_folder import FILES, RunFolder, RunFolderError

ROOT = Path(__file__).parents[2]
CONFIG = {"task": "lm", "model": {"hidden_dim": 4}}
OLD, NEW = ({"weight": np.full((30, 20), value, np.float32)} for value in (1, 2))
STEPS = {"mkdir", "open", "write", "fsync", "link", "replace", "ftruncate"}


class Faulty:
    """Stands in for the module os where it is used to write."""

    def __init__(self, step=None, act=None):
        self.step, self.act, self.taken = step, act, []

    def __getattr__(self, name):
        function = getattr(os, name)
        return self._counted(name, function) if name in STEPS else function

    def _counted(self, name, function):
        def call(*arguments, **options):
            self.taken.append(name)
            if len(self.taken) == self.step:
                self.act()
            return function(*arguments, **options)
        return call


def install(faulty, patch):
    """Let writing go through faulty until the patch is undone."""
    for module in (atomic_writing, metrics_log):
        patch.setattr(module, "os", faulty)
    patch.setattr(os, "mkdir", faulty.mkdir)  # what Path.mkdir calls


def no_space():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def old_run(path):
    run = RunFolder.create(path, CONFIG, "{}")
    run.log({"step": 1})
    run.save_trainer(OLD, {"step": 1}, model=OLD)
    return run


SAVES = {
    "save_model": lambda run: run.save_model(NEW),
    "save_trainer": lambda run: run.save_trainer(NEW, {"step": 2}),
    "save_both": lambda run: run.save_trainer(NEW, {"step": 2}, model=NEW),
    "log": lambda run: run.log({"step": 2}),
    "truncate_log": lambda run: run.truncate_log(0),
    "create": lambda run: RunFolder.create(run.path, {**CONFIG, "task": "tag"}, '{"a": 1}', force=True),
    "create_new": lambda run: RunFolder.create(run.path / "new", {**CONFIG, "task": "tag"}, '{"a": 1}'),
}


def steps_of(save, path):
    """How many steps a save takes when nothing fails."""
    run, faulty = old_run(path), Faulty()
    with pytest.MonkeyPatch.context() as patch:
        install(faulty, patch)
        save(run)
    return len(faulty.taken)


@pytest.mark.parametrize("what", SAVES)
def test_an_error_at_each_step_leaves_everything_as_it_was(tmp_path, what):
    steps = steps_of(SAVES[what], tmp_path / "count")
    assert steps >= 2
    run = old_run(tmp_path / "run")
    before = content(run.path)
    failed = 0
    for step in range(1, steps + 1):
        faulty = Faulty(step, no_space)
        with pytest.MonkeyPatch.context() as patch:
            install(faulty, patch)
            try:
                SAVES[what](run)
            except RunFolderError as error:
                failed += 1
                assert str(run.path) in str(error) and "No space left on device" in str(error)
                assert "\n" not in str(error)
                assert content(run.path) == before, f"step {step}: {faulty.taken[step - 1]}"
            else:  # a copy is made where the file system has no hard links
                assert faulty.taken[step - 1] == "link"
                run = old_run(tmp_path / f"run{step}")
                before = content(run.path)
        assert not [name for name in content(run.path) if name.startswith(".")]
    assert failed >= steps - 5


def test_an_error_at_each_step_of_creating_leaves_nothing(tmp_path):
    def create():
        RunFolder.create(tmp_path / "run", CONFIG, "{}")

    for step in range(1, 99):
        with pytest.MonkeyPatch.context() as patch:
            install(Faulty(step, no_space), patch)
            try:
                create()
            except RunFolderError as error:
                assert "run" in str(error) and "No space left on device" in str(error)
            else:
                break
        assert content(tmp_path) == {}
    assert step > 5


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_the_reason_is_in_the_message(tmp_path, number):
    def fail():
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        install(Faulty(1, fail), patch)
        with pytest.raises(RunFolderError, match=f"run: .* made \\({os.strerror(number)}\\)"):
            RunFolder.create(tmp_path / "run", CONFIG)
    run = old_run(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        install(Faulty(1, fail), patch)
        with pytest.raises(RunFolderError, match=f"model.safetensors could .* \\({os.strerror(number)}\\)"):
            run.save_model(NEW)


def test_half_a_line_of_the_log_is_taken_back(tmp_path, monkeypatch):
    class HalfFull(Faulty):
        def write(self, descriptor, line):
            return os.write(descriptor, line[:5])

    run = old_run(tmp_path / "run")
    before = content(run.path)
    install(HalfFull(), monkeypatch)
    with pytest.raises(RunFolderError, match="metrics.jsonl: could not be written .only a part of the line"):
        run.log({"step": 2})
    assert content(run.path) == before


def test_ctrl_c_at_each_step_leaves_everything_as_it_was(tmp_path, request):
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    run = old_run(tmp_path / "run")
    before = content(run.path)
    steps = steps_of(SAVES["save_both"], tmp_path / "count")
    for step in range(1, steps + 1):
        with pytest.MonkeyPatch.context() as patch:
            install(Faulty(step, lambda: signal.raise_signal(signal.SIGINT)), patch)
            with pytest.raises(KeyboardInterrupt):
                SAVES["save_both"](run)
        assert content(run.path) == before


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    """The old files are copied then; an error after the first rename still brings both back."""
    run = old_run(tmp_path / "run")
    before = content(run.path)

    class NoLinks(Faulty):
        def link(self, *arguments, **options):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    counting = NoLinks()
    install(counting, monkeypatch)
    run.save_trainer(NEW, {"step": 2}, model=NEW)
    assert run.load_trainer()[1]["step"] == 2
    second_rename = [step for step, name in enumerate(counting.taken, 1) if name == "replace"][1]
    run = old_run(tmp_path / "other")
    before = content(run.path)
    install(NoLinks(second_rename, no_space), monkeypatch)
    with pytest.raises(RunFolderError, match="No space left on device"):
        run.save_trainer(NEW, {"step": 2}, model=NEW)
    assert content(run.path) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training import test_faults as t
from tinyllm.training.run_folder import RunFolder
import pytest
for step in range(1, 99):
    run = t.old_run(Path(sys.argv[2], str(step)))
    child = os.fork()
    if child == 0:
        t.install(t.Faulty(step, lambda: os.kill(os.getpid(), signal.SIGKILL)), pytest.MonkeyPatch())
        t.SAVES[sys.argv[1]](run)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(step)
"""


@pytest.mark.parametrize("what", ["save_model", "save_trainer", "save_both", "create", "create_new"])
def test_a_kill_at_each_step_leaves_one_checkpoint(tmp_path, what):
    """In a process of its own: a fork of one that ran threads is not to be relied on."""
    child = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, what, tmp_path], cwd=ROOT,
                           capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) > 5
    seen = set()
    for path in sorted(tmp_path.iterdir(), key=lambda path: int(path.name)):
        if what.startswith("create"):
            seen.add(after_create(path if what == "create" else path / "new"))
            continue
        run = RunFolder.open(path)
        model = run.load_model()["weight"][0, 0]
        arrays, meta = run.load_trainer()
        run.truncate_log(meta["metrics_length"])
        assert arrays["weight"][0, 0] == meta["step"]
        assert run.load_model()["weight"][0, 0] == model
        if what == "save_both":
            assert model == meta["step"]
        seen.add((float(model), meta["step"]))
        run.save_trainer(NEW, {"step": 2}, model=NEW)
        assert set(content(path)) == set(FILES), "the next save clears up"
    assert seen == {"save_model": {(1, 1), (2, 1)}, "save_trainer": {(1, 1), (1, 2)},
                    "save_both": {(1, 1), (2, 2)},
                    "create": {"old", "old, empty", "was only half created", "new"},
                    "create_new": {"there is no such run folder", "is not a run folder",
                                   "was only half created", "new"}}[what]


def after_create(path):
    """What a kill in create() left: a run, or a folder that becomes one without being forced."""
    try:
        run = RunFolder.open(path)
    except RunFolderError as error:
        said = str(error).removeprefix(f"{path}: ").partition(" (")[0].partition(",")[0]
        RunFolder.create(path, CONFIG)
        assert RunFolder.open(path).config["task"] == "lm"
        return said
    if run.config["task"] == "tag":
        assert run.tokenizer_json == '{"a": 1}'
        assert not run.has_trainer and run.read_log() == []
        return "new"
    if run.has_trainer:
        run.truncate_log(run.load_trainer()[1]["metrics_length"])
        assert run.load_model()["weight"][0, 0] == 1
        return "old"
    return "old, empty"


def test_two_hundred_random_kills_in_small():
    """The script with a tenth of its kills."""
    script = subprocess.run([sys.executable, "-m", "tests.training.crash", "--kills", "20"], cwd=ROOT,
                            capture_output=True, text=True, timeout=100)
    assert script.returncode == 0, script.stdout + script.stderr
    assert script.stdout.startswith("20 kills")


LIMITED = """
import resource, sys
import numpy as np
from tinyllm.training.run_folder import RunFolder
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
run = RunFolder.open(sys.argv[1])
run.save_trainer({"x": np.zeros(50_000)}, {"step": 2}, model={"x": np.zeros(9)})
"""


def test_a_write_that_really_fails(tmp_path):
    """Not injected: the system allows no file of more than 100 kB."""
    run = old_run(tmp_path / "run")
    before = content(run.path)
    child = subprocess.run([sys.executable, "-c", LIMITED, run.path], cwd=ROOT, capture_output=True,
                           text=True, timeout=60)
    assert "trainer.safetensors and model.safetensors could not be written (File too large)" in child.stderr
    assert content(run.path) == before
