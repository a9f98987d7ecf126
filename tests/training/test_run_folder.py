"""A run folder gives back what was put in, is created only where it may be, and notices damage."""
import hashlib
import json

import numpy as np
import pytest

from tinyllm.training.run_folder import FILES, RunFolder, RunFolderError

CONFIG = {"format": 1, "tinyllm": "0.1.0", "task": "lm", "model": {"hidden_dim": 4}, "training": {"lr": 0.1}}
TOKENIZER = '{"type": "char", "characters": ["a", "\\u8bd7"]}'
WEIGHTS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(2, np.float32)}


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run", CONFIG, TOKENIZER)


def saved(run):
    """The run, with a line in its log, a model and a trainer."""
    run.log({"step": 1, "valid_loss": 2.5})
    run.save_model(WEIGHTS)
    run.save_trainer({"last": WEIGHTS["weight"] + 1}, {"step": 1})
    return run


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same(ours, expected):
    assert ours.keys() == expected.keys()
    for name, array in expected.items():
        assert ours[name].dtype == array.dtype and ours[name].shape == array.shape
        assert ours[name].tobytes() == array.tobytes()


# ---- what is put in comes out

def test_configuration_and_tokenizer_come_back(run):
    opened = RunFolder.open(run.path)
    assert opened.config == run.config == CONFIG
    assert opened.tokenizer_json == TOKENIZER
    assert RunFolder.open(str(run.path)).path == run.path


def test_without_a_tokenizer(tmp_path):
    assert RunFolder.create(tmp_path / "run", CONFIG).tokenizer_json is None
    assert RunFolder.open(tmp_path / "run").tokenizer_json is None


@pytest.mark.parametrize("dtype", "f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 ?".split())
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (3, 5)])
def test_every_dtype_and_shape_comes_back(run, rng, dtype, shape):
    arrays = {"x": rng.integers(0, 2, shape).astype(dtype), "y": np.array(7, np.int64)}
    run.save_model(arrays)
    loaded = run.load_model()
    assert_same(loaded, arrays)
    assert all(array.flags.writeable for array in loaded.values())


def test_arrays_that_do_not_lie_row_by_row_or_are_big_endian(run, rng):
    x = rng.standard_normal((4, 6))
    run.save_model({"x": x.T[::2], "y": x.astype(">f8")})
    assert_same(run.load_model(), {"x": x.T[::2].copy(), "y": x})


def test_other_programs_read_our_weights(run):
    from safetensors import safe_open
    run.save_model(WEIGHTS)
    with safe_open(run.path / "model.safetensors", "np") as file:
        assert_same({name: file.get_tensor(name) for name in file.keys()}, WEIGHTS)
        metadata = file.metadata()
    data = b"".join(WEIGHTS[name].tobytes() for name in ("bias", "weight"))
    assert metadata["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_same_weights_make_the_same_bytes(run):
    run.save_model(WEIGHTS)
    first = content(run.path)
    run.save_model(dict(reversed(WEIGHTS.items())))
    assert content(run.path) == first


def test_trainer_comes_back_with_its_random_states(run, rng):
    rng.random(3)
    rng.integers(0, 5, dtype=np.uint32)  # leaves half a draw in the state
    meta = {"step": 7, "rng": rng.bit_generator.state, "best": np.float32(0.5), "name": "\u8bd7\ud800"}
    run.save_trainer(WEIGHTS, meta)
    arrays, loaded = RunFolder.open(run.path).load_trainer()
    assert_same(arrays, WEIGHTS)
    assert {name: loaded[name] for name in meta} == meta
    other = np.random.default_rng(1)
    other.bit_generator.state = loaded["rng"]
    assert other.integers(0, 2**60, 9).tolist() == rng.integers(0, 2**60, 9).tolist()


def test_log_is_cut_back_to_the_trainer(run):
    run.log({"step": 1, "loss": np.float64(0.1)})
    run.save_trainer({}, {})
    run.log({"step": 2, "loss": 0.2})
    assert [record["step"] for record in run.read_log()] == [1, 2]
    opened = RunFolder.open(run.path)
    opened.truncate_log(opened.load_trainer()[1]["metrics_length"])
    assert opened.read_log() == [{"step": 1, "loss": 0.1}]


def test_unfinished_last_line_of_the_log_is_left_out(run):
    run.log({"step": 1})
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": ')
    assert run.read_log() == [{"step": 1}]


def test_empty_log(run):
    assert run.read_log() == []
    run.save_trainer({}, {})
    run.truncate_log(run.load_trainer()[1]["metrics_length"])
    assert run.read_log() == []


# ---- what belongs together

def test_a_staged_model_is_found_and_moved_into_place(run):
    saved(run)
    path, staged = run.path / "model.safetensors", run.path / ".model.safetensors.tmp"
    old = path.read_bytes()
    new = {"weight": WEIGHTS["weight"] * 2}
    run.save_trainer({}, {"step": 2}, model=new)
    path.rename(staged)  # as a kill leaves it
    path.write_bytes(old)
    opened = RunFolder.open(run.path)
    assert_same(opened.load_model(), new)
    assert path.read_bytes() == old, "reading changes nothing"
    assert opened.load_trainer()[1]["step"] == 2
    assert path.read_bytes() != old and not staged.exists()
    assert_same(opened.load_model(), new)


def test_a_temporary_model_that_the_trainer_does_not_want_is_left_alone(run):
    saved(run)
    good = (run.path / "model.safetensors").read_bytes()
    run.save_model({"weight": WEIGHTS["weight"] * 2})
    (run.path / "model.safetensors").rename(run.path / ".model.safetensors.tmp")
    (run.path / "model.safetensors").write_bytes(good)
    assert_same(run.load_model(), WEIGHTS)
    run.load_trainer()
    assert_same(run.load_model(), WEIGHTS)


def test_a_trainer_without_its_model_is_refused(run):
    saved(run)
    (run.path / "model.safetensors").unlink()
    with pytest.raises(RunFolderError, match="model.safetensors: is missing, trainer.safetensors belongs"):
        run.load_trainer()


def test_a_log_that_is_not_the_trainers_is_refused(run):
    saved(run)
    length = run.load_trainer()[1]["metrics_length"]
    log = run.path / "metrics.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"2.5", b"2.6"))
    with pytest.raises(RunFolderError, match="metrics.jsonl: damaged or edited"):
        run.truncate_log(length)
    log.write_bytes(whole[:-3])
    with pytest.raises(RunFolderError, match=f"metrics.jsonl: has {length - 3} bytes, cannot be cut back"):
        run.truncate_log(length)
    log.write_bytes(whole)
    with pytest.raises(RunFolderError, match=f"metrics.jsonl: no line ends at byte {length - 3}"):
        run.truncate_log(length - 3)


# ---- where a run may be created

def test_an_existing_run_is_replaced_only_by_force(run):
    saved(run)
    (run.path / "notes.txt").write_text("mine")
    (run.path / "curves.png").write_bytes(b"of the old run")
    before = content(run.path)
    with pytest.raises(RunFolderError, match=r"run: is a run folder already; resume it \(--resume\)"):
        RunFolder.create(run.path, CONFIG, TOKENIZER)
    assert content(run.path) == before
    other = {**CONFIG, "task": "tag"}
    RunFolder.create(run.path, other, force=True)
    opened = RunFolder.open(run.path)
    assert opened.config == other and opened.tokenizer_json is None
    assert set(content(run.path)) == {"config.json", "notes.txt"}


@pytest.mark.parametrize("files", [
    {"thesis.tex": "ten years"},
    {"config.json": '{"model_type": "gpt2", "n_layer": 12}'},  # another library's model
    {"config.json": '{"format": 99, "task": "lm", "model": {}}'},
    {"config.json": "not json"},
    {"tokenizer.json": TOKENIZER},
])
@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, files, force):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = content(tmp_path)
    with pytest.raises(RunFolderError, match="is not a run folder.*it was not touched"):
        RunFolder.create(tmp_path, CONFIG, TOKENIZER, force=force)
    assert content(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_never_touched(tmp_path, force):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunFolderError, match="run: exists and is not a run folder; it was not touched"):
        RunFolder.create(tmp_path / "run", CONFIG, force=force)
    assert (tmp_path / "run").read_text() == "mine"
    with pytest.raises(RunFolderError, match="run: is a file, not a run folder"):
        RunFolder.open(tmp_path / "run")


def test_a_run_without_a_checkpoint_is_started_anew(run):
    """A kill or a nan before the first one leaves nothing that could be lost, and nothing to resume."""
    with pytest.raises(RunFolderError, match="nothing to resume: start this run again"):
        run.load_trainer()
    RunFolder.create(run.path, {**CONFIG, "task": "tag"}, TOKENIZER)
    assert RunFolder.open(run.path).config["task"] == "tag"


@pytest.mark.parametrize("save", [lambda run: run.save_model(WEIGHTS), lambda run: run.save_trainer(WEIGHTS, {})])
def test_a_model_alone_or_a_trainer_alone_is_not_replaced(run, save):
    save(run)
    with pytest.raises(RunFolderError, match="is a run folder already"):
        RunFolder.create(run.path, CONFIG, TOKENIZER)


def test_an_empty_folder_becomes_a_run(tmp_path):
    RunFolder.create(tmp_path, CONFIG, TOKENIZER)
    assert RunFolder.open(tmp_path).config == CONFIG


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="a/run: cannot be made, there is no folder .*a$"):
        RunFolder.create(tmp_path / "a" / "run", CONFIG)
    assert content(tmp_path) == {}


def test_a_half_created_run_is_recognised_and_started_anew(run):
    (run.path / "tokenizer.json").rename(run.path / ".tokenizer.json.tmp")
    with pytest.raises(RunFolderError, match="run: was only half created, start this run again"):
        RunFolder.open(run.path)
    (run.path / "config.json").rename(run.path / ".config.json.tmp")
    with pytest.raises(RunFolderError, match="run: was only half created, start this run again"):
        RunFolder.open(run.path)
    RunFolder.create(run.path, CONFIG, TOKENIZER)
    assert RunFolder.open(run.path).tokenizer_json == TOKENIZER
    assert set(content(run.path)) == {"config.json", "tokenizer.json"}


@pytest.mark.parametrize("config, message", [
    ({"task": 3}, "config: task must be a string, got 3"),
    ({"task": "lm", "model": []}, r"config: model must be an object, got \[\]"),
    ({"task": "lm", "model": {}, "format": 2}, "config: was written by a newer tinyllm"),
    ({"task": "lm", "model": {"x": float("nan")}}, "config: cannot be stored as JSON"),
    ({"task": "lm", "model": {"x": {1, 2}}}, r"config: cannot be stored as JSON \(set is no JSON value\)"),
])
def test_a_wrong_configuration_is_named(tmp_path, config, message):
    with pytest.raises(RunFolderError, match=message):
        RunFolder.create(tmp_path / "run", config)
    assert content(tmp_path) == {}


# ---- what cannot be opened, loaded or saved

def test_what_is_missing_is_named(run, tmp_path):
    with pytest.raises(RunFolderError, match="nowhere: there is no such run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"is not a run folder \(it has no config.json\)"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunFolderError, match="run: has no model.safetensors"):
        run.load_model()
    with pytest.raises(RunFolderError, match="run: has no trainer.safetensors, so there is nothing"):
        run.load_trainer()
    saved(run)
    (run.path / "tokenizer.json").unlink()
    with pytest.raises(RunFolderError, match="tokenizer.json: is missing"):
        RunFolder.open(run.path)


@pytest.mark.parametrize("text, message", [
    ("", "not valid JSON"),
    ("[1]", "must hold a JSON object, got list"),
    ('{"format": 1, "task": "lm", "task": "tag", "model": {}}', "key 'task' stands twice"),
    ('{"format": 1, "task": "lm", "model": {"x": NaN}}', "'NaN' is no finite number"),
    ('{"format": 1, "task": "lm", "model": {"x": 1e999}}', "'1e999' is no finite number"),
    ('{"format": "1", "task": "lm", "model": {}}', "format must be 1 or more, got '1'"),
    ('{"format": 2, "task": "lm", "model": {}}', "newer tinyllm"),
    ('{"format": 1, "task": null, "model": {}}', "task must be a string, got nothing"),
    ('{"format": 1, "task": "lm", "model": 0}', "model must be an object, got 0"),
    ('{"format": 1, "task": "lm", "model": ' + "[" * 99999 + "]" * 99999 + "}", "nested deeper than 32"),
    ('{"format": 1, "task": "lm", "model": {"x": ' + "9" * 9999 + "}}", "not valid JSON"),
    (" " * (1 << 23), "too large"),
])
def test_a_wrong_config_json_is_named(run, text, message):
    (run.path / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match="config.json: .*" + message):
        RunFolder.open(run.path)


def test_a_configuration_written_by_hand_is_used_as_it_is(run):
    (run.path / "config.json").write_text('{"format": 1, "task": "lm", "model": {}}')
    assert RunFolder.open(run.path).config == {"format": 1, "task": "lm", "model": {}}


def test_weights_of_another_program_are_accepted_with_a_warning(run):
    from safetensors.numpy import save_file
    save_file(WEIGHTS, run.path / "model.safetensors", metadata={"format": "np"})
    with pytest.warns(UserWarning, match="model.safetensors: has no sha256"):
        assert_same(run.load_model(), WEIGHTS)


@pytest.mark.parametrize("arrays, message", [
    ({"x": np.array([None])}, "array 'x' must have one of the dtypes .* got object"),
    ({"x": np.array(["a"])}, "array 'x' must have one of the dtypes .* got <U1"),
    ({"x": np.zeros(2, complex)}, "array 'x' must have one of the dtypes .* got complex128"),
    ({3: np.zeros(2)}, "the name of an array must be an ASCII string .* got 3"),
    ({"__metadata__": np.zeros(2)}, "the name of an array must be an ASCII string"),
])
def test_arrays_that_cannot_be_stored_are_named(run, arrays, message):
    saved(run)
    before = content(run.path)
    for save in (run.save_model, lambda arrays: run.save_trainer(arrays, {})):
        with pytest.raises(RunFolderError, match=message):
            save(arrays)
    assert content(run.path) == before


@pytest.mark.parametrize("meta", [{"x": float("inf")}, {"x": object()}, {"x": np.zeros(2)}])
def test_meta_that_cannot_be_stored_is_named(run, meta):
    with pytest.raises(RunFolderError, match="meta: cannot be stored as JSON"):
        run.save_trainer({}, meta)
    with pytest.raises(RunFolderError, match="metrics.jsonl: cannot be stored as JSON"):
        run.log(meta)


def test_a_damaged_line_of_the_log_is_named(run):
    (run.path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "step": 3}\n')
    with pytest.raises(RunFolderError, match="metrics.jsonl, line 2: .*key 'step' stands twice"):
        run.read_log()


def test_the_log_does_not_follow_a_link(run, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (run.path / "metrics.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(RunFolderError, match="metrics.jsonl: could not be written"):
        run.log({"step": 1})
    (run.path / ".model.safetensors.tmp").symlink_to(tmp_path / "mine")
    run.save_model(WEIGHTS)
    assert (tmp_path / "mine").read_text() == "mine"


# ---- damage (PROMISES 11)

def load_all(path):
    """All that a run folder holds."""
    run = RunFolder.open(path)
    model, (arrays, meta) = run.load_model(), run.load_trainer()
    run.truncate_log(meta["metrics_length"])
    return run.config, run.tokenizer_json, model.keys(), arrays.keys(), meta, run.read_log()


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_at_every_length(run, name):
    saved(run)
    whole = (run.path / name).read_bytes()
    for length in range(len(whole) - (name == "config.json")):  # its last byte is the end of its last line
        (run.path / name).write_bytes(whole[:length])
        with pytest.raises(RunFolderError, match=name):
            load_all(run.path)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_at_every_position(run, name):
    saved(run)
    before = load_all(run.path)
    whole = (run.path / name).read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position * 5 % 8
        (run.path / name).write_bytes(damaged)
        try:
            after = load_all(run.path)
        except RunFolderError as error:
            assert name in str(error) or name == "config.json" and "tokenizer.json" in str(error)
            assert "\n" not in str(error)
        else:  # white space, or the name of the entry that holds the checksums
            assert name == "config.json"
            config, expected = after[0], before[0]
            assert {key: config[key] for key in expected} == expected and after[1:] == before[1:]


def test_bits_flipped_anywhere_in_a_larger_file_are_refused(run, rng):
    run.save_model({"weight": rng.standard_normal((100, 100)), "bias": rng.standard_normal(100)})
    path = run.path / "model.safetensors"
    whole = path.read_bytes()
    for position in rng.integers(0, 8 * len(whole), 300):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(RunFolderError, match="model.safetensors"):
            run.load_model()


def test_the_configuration_is_readable_json(run):
    assert json.loads((run.path / "config.json").read_text())["model"] == CONFIG["model"]
