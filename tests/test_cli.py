"""The command line as a person meets it: what it prints where, its exit codes, and one sentence for every bad input."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import tinyllm
from tests.process import ROOT, run_python
from tinyllm.cli import main, parser
from tinyllm.models.int8 import rounded

TEXT = "she sells sea shells by the sea shore, and the shells she sells are sea shells for sure.\n" * 40
SMALL = ["--hidden-dim", "16", "--embed-dim", "8", "--num-heads", "2", "--batch-size", "4", "--seq-len", "16"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def trained(folder):
    assert main(["pretrain", "book.txt", *SMALL, "--steps", "3", "--out", "run"]) == 0
    return folder / "run"


def test_help_is_immediate_and_loads_nothing():
    out = run_python("-c", "import sys; sys.argv = ['tinyllm', '--help']\nfrom tinyllm.cli import main\n"
                     "try: main()\nexcept SystemExit: pass\nprint('numpy' in sys.modules, 'numba' in sys.modules)")
    assert "pretrain" in out and out.endswith("False False")


@pytest.mark.parametrize("arguments, expected, missing", [
    (["finetune", "tag"], "learning rate at its highest (default: 0.002)", "bpe"),
    (["finetune", "seq2seq"], "an output layer of its own", "True"),
    (["finetune", "classify"], "of weights, batches and dropout: the same seed, the same run (default: 0)", "True"),
    (["finetune", "classify"], "of the files (else by their names)", "first lines"),
    (["evaluate"], "of the files (else by their names, of seq2seq by first lines too)", "True"),
    (["predict"], "print one JSON object on stdout and nothing else, at the end", "False")])
def test_help_says_how_things_are(capsys, arguments, expected, missing):
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert expected in text and missing not in text


@pytest.mark.parametrize("verb, module, name, expected", [
    ("finetune seq2seq", "finetune", "DECODED", "greedy outputs for 77 records of it at most"),
    ("finetune classify", "finetune", "BPE", "(bpe: 77 at most, else all)"),
    ("pretrain", "pretrain", "LM_WORDS", "word: 77 and"), ("pretrain", "pretrain", "LM_BPE", "bpe: 77 at most"),
    ("predict", "arguments", "BEAM", "side by side (77)"), ("evaluate", "arguments", "LENGTH_PENALTY", "ones (77)")])
def test_figures_in_help_are_those_of_the_settings(capsys, monkeypatch, verb, module, name, expected):
    monkeypatch.setattr(f"tinyllm.cli.{module}.{name}", 77)
    with pytest.raises(SystemExit):
        main([*verb.split(), "--help"])
    assert expected in " ".join(capsys.readouterr().out.split())


def test_version_and_no_verb(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tinyllm {tinyllm.__version__}\n"
    assert main([]) == 2


def test_a_result_goes_to_stdout_and_progress_to_stderr(folder, capsys):
    assert main(["pretrain", "book.txt", *SMALL, "--steps", "3", "--out", "run", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert {"run", "steps", "epochs", "seconds", "train_loss", "nats_per_char", "perplexity"} <= set(result)
    assert result["steps"] == 3 and "step 3" in err


def test_generate_evaluate(trained, capsys):
    assert main(["generate", "run", "she ", "--max-tokens", "8"]) == 0
    text, note = capsys.readouterr()
    assert text.startswith("she ") and len(text) == len("she ") + 8 + 1
    assert main(["generate", "run", "she ", "--max-tokens", "8", "--json", "--num-samples", "2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["texts"]) == 2 and "she " + result["texts"][0] + "\n" == text
    assert main(["evaluate", "run", "book.txt", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["chars"] == len(TEXT) and 0 < scores["nats_per_char"] < 5
    assert main(["evaluate", "run", "book.txt"]) == 0
    assert f"{scores['nats_per_char']:.4f}" in capsys.readouterr().out


def test_int8(trained, capsys):
    """What generate writes and what evaluate scores are those of the run with its weights rounded."""
    capsys.readouterr()
    model = tinyllm.load("run")
    assert main(["generate", "run", "she ", "--max-tokens", "40", "--temperature", "0.5", "--int8"]) == 0
    text = model.generate("she ", max_tokens=40, temperature=0.5, int8=True)
    assert capsys.readouterr().out == f"she {text}\n"
    assert main(["generate", "run", "she ", "--max-tokens", "40", "--temperature", "0.5", "--int8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == [text]
    assert main(["evaluate", "run", "book.txt", "--int8", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    whole = model.score(TEXT)
    assert scores == model.evaluate("book.txt", int8=True) and scores["nats_per_char"] != whole.nats_per_char
    model.model = rounded(model.model)
    assert scores == model.score(TEXT).as_dict()
    assert scores["perplexity"] == pytest.approx(whole.perplexity, rel=0.02)


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_an_unseen_character_in_a_prompt_is_named(trained, capsys, json):
    capsys.readouterr()
    assert main(["generate", "run", "she Q?", "--max-tokens", "2", *json]) == 1
    assert capsys.readouterr() == ("", "tinyllm: generate: the tokenizer never saw 'Q', '?' of the prompt\n")


def test_demo(folder, capsys):
    (folder / "tinyllm-demo").mkdir()
    assert main(["demo", "--minutes", "0.02", "--json"]) == 0
    out, story = capsys.readouterr()
    result = json.loads(out)
    assert {"bar", "text", "novel_share", "nats_per_char", "translation", "sentiment", "entities"} <= set(result)
    for name, figure in [("translation", "bleu"), ("sentiment", "accuracy"), ("entities", "f1")]:
        chapter = result[name]
        assert {"before", "after", "seconds"} <= set(chapter) and chapter["run"] == f"tinyllm-demo-2/{name}"
        assert figure in chapter["before"] and figure in chapter["after"]
    assert all((folder / "tinyllm-demo-2" / name / "model.safetensors").exists() for name in (
        "language", "translation", "words", "sentiment", "sentiment-from-nothing", "entities"))
    few = (folder / "tinyllm-demo-2" / "data" / "sentiment.en.few.tsv").read_text(encoding="utf-8")
    assert len(few.splitlines()) == result["sentiment"]["labels"] == 400
    assert "The bar was" in story and "tinyllm generate tinyllm-demo-2/language" in story
    table = story[story.index("seconds\n"):].splitlines()[1:5]
    assert [len(line) for line in table] == [len(table[0])] * 4


def test_demo_keeps_what_is_there(folder, capsys):
    before = sorted(folder.iterdir())
    assert main(["demo", "--out", "."]) == 1
    assert capsys.readouterr().err == "tinyllm: .: is there already and not empty; choose another name\n"
    assert sorted(folder.iterdir()) == before


def test_demo_interrupted(folder, capsys, monkeypatch):
    from tinyllm.tasks.story import Story

    def stop(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(Story, "learn", stop)
    assert main(["demo", "--out", "here"]) == 130
    out, err = capsys.readouterr()
    assert err == "tinyllm: interrupted; what was learnt so far is in here\n"
    assert "The bar: counting" in out  # without --json the story is what stdout is for


def test_gradcheck_says_which_and_how_exact(capsys):
    assert main(["gradcheck", "add", "matmul", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] == [] and result["passed"] == len(result["cases"]) == 3
    assert main(["gradcheck", "tanh"]) == 0
    assert "1 of 1 pass" in capsys.readouterr().out


def test_gradcheck_fails_where_a_gradient_is_wrong(capsys, monkeypatch):
    from tinyllm import cases
    from tinyllm.autograd import Tensor
    wrong = cases.Case("wrong", "", lambda rng: (
        lambda x: Tensor.from_op(x.data ** 2, (x,), lambda dy: (2.002 * dy * x.data,)), [rng.standard_normal(3)], ()))
    monkeypatch.setattr(cases, "CASES", [wrong])
    assert main(["gradcheck"]) == 1
    assert "WRONG" in capsys.readouterr().out


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["tinyllm"] == tinyllm.__version__ and facts["packages"]["numpy"]
    assert main(["doctor"]) == 0
    assert "numba" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (["pretrain", "book.txt", "--out", "r", "--seq-len", "0"], "--seq-len: must be an integer at least 1, got 0"),
    (["pretrain", "book.txt", "--out", "r", "--lr", "nan"], "--lr: must be a number above 0, got nan"),
    (["pretrain", "book.txt", "--out", "r", "--dropout", "1"], "--dropout: must be a number at least 0 and below 1"),
    (["pretrain", "book.txt", "--out", "r", "--num-heads", "5"], "--num-heads must divide --hidden-dim, got 5 and 512"),
    (["pretrain", "book.txt", "--out", "r", "--steps", "2", "--minutes", "1"], "not allowed with argument --steps"),
    (["pretrain", "--out", "r", "--resume", "--lr", "0.5"], "leave out --lr"),
    (["pretrain", "book.txt", "--out", "r", "--resume", "--tie-weights"], "leave out FILE, --tie-weights"),
    (["pretrain", "book.txt", "--out", "r", "--minutes", "inf"], "--minutes: must be a number above 0, got inf"),
    (["pretrain", "--out", "r", "--valid-fraction", "0.2"], "--valid-fraction needs a FILE"),
    (["pretrain", "--out", "r", "--valid-fraction", "0.1"], "--valid-fraction needs a FILE"),
    (["pretrain", "--out", "r", "--resume", "--seq-len", "128"], "leave out --seq-len"),
    (["pretrain", "book.txt", "--out", "r", "--embeddings-from", ""], "FILE and RUN must be names"),
    (["finetune", "tag", "--train", "book.txt", "--out", "r", "--from", ""], "FILE and RUN must be names"),
    (["finetune", "tag", "--train", "book.txt", "--out", "r", "--from", "x", "--from-reversed", ""], "must be names"),
    (["finetune", "tag", "--train", "book.txt", "--out", "r", "--from-lr", "1"], "--from-lr goes with --from"),
    (["finetune", "seq2seq", "--train", "book.txt", "--out", "r", "--sentences"],
     "sentences: tokenizer must be 'word' with it, got 'bpe'"),
    (["finetune", "seq2seq", "--train", "book.txt", "--out", "r", "--sentences", "--tokenizer", "word",
      "--copy"], "sentences: copy must be False with it, got True"),
    (["finetune", "seq2seq", "--train", "book.txt", "--out", "r", "--copy", "--word-dropout", "0.1"],
     "copy: word_dropout must be 0 with it, got 0.1"),
    (["finetune", "seq2seq", "--train", "book.txt", "--out", "r", "--from", "lm", "--sentences"],
     "--from takes sizes and tokenizer from the pretrained run: leave out --sentences"),
    (["finetune", "tag", "--train", "book.txt", "--out", "r", "--from", "x", "--hidden-dim", "256"],
     "--from takes sizes and tokenizer from the pretrained run: leave out --hidden-dim"),
    (["finetune", "tag", "--train", "book.txt", "--out", "r", "--steq", "2"], "usage: tinyllm finetune tag"),
    (["predict", "run", "a.txt", "--json", "b.txt"], "tinyllm predict: error: unrecognized arguments: b.txt"),
    (["generate", "run", "--seed", "5", "--", "she"], "tinyllm generate: error: unrecognized arguments:"),
    (["pretrain", "", "--out", "r"], "FILE and RUN must be names, got an empty one"),
    (["pretrain", "book.txt", "--out", "r", "--tokenizer", "bpe", "--vocab-size", "99"],
     "--vocab-size must be at least 260 for --tokenizer bpe, got 99"),
    (["pretrain", "book.txt", "--out", "r", "--valid-fraction", "0", "--patience", "2"],
     "--patience needs a validation text"),
    (["pretrain", "book.txt", "--out", "r", "--step", "2"], "unrecognized arguments: --step"),
    (["pretrain", "book.txt"], "--out"),
    (["generate", "run", "--top-p", "0"], "--top-p: must be a number above 0 and at most 1, got 0"),
    (["gradcheck", "gnu"], "OP must be among add, sub"),
    (["write"], "invalid choice: 'write'"),
])
def test_wrong_usage_is_exit_code_2(folder, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (folder / "r").exists()


@pytest.mark.parametrize("arguments, name, value", [
    ("predict run --json in.txt", "file", "in.txt"), ("predict --json run", "file", "-"),
    ("generate run --max-tokens 5 What", "prompt", "What"), ("generate run --seed 5", "prompt", ""),
    ("generate -- run --seed", "prompt", "--seed"), ("evaluate run a --json b", "files", ["a", "b"]),
    ("generate --seed 5 -- run --seed", "prompt", "--seed"), ("generate --seed 5 run -- --seed", "prompt", "--seed"),
    ("evaluate --json -- run a --b", "files", ["a", "--b"]), ("pretrain --out x a -- --b", "files", ["a", "--b"]),
    ("pretrain a --out x b --steps 2 c", "files", ["a", "b", "c"]), ("pretrain --out x", "files", ())])
def test_options_stand_anywhere(arguments, name, value):
    args = parser().parse_args(arguments.split())
    assert getattr(args, name) == value and getattr(args, "run_folder", "run") == "run"


@pytest.mark.parametrize("data, arguments, message", [
    (b"", [], "bad.txt: the file is empty"),
    (b"short", [], "tinyllm: the text has 5 tokens, a window of 16 and the token after it need 17"),
    (b"abc\xff" * 99, [], "bad.txt: not UTF-8 at byte 3 (0xff)"),
    (None, [], "bad.txt: No such file or directory"),
    (TEXT.encode(), ["--vocab-size", "999"], "999"),
    (TEXT.encode(), ["--tokenizer", "bpe", "--vocab-size", "9999"], "9999"),
    (TEXT.encode(), ["--valid", "none.txt"], "none.txt: No such file or directory"),
    (TEXT.encode(), ["--out", "no/such/place/run"], "there is no folder"),
    (TEXT.encode(), ["--out", "book.txt"], "book.txt"),
    (TEXT.encode(), ["--hidden-dim", "200000", "--num-heads", "1"], "training needs about"),
])
def test_a_bad_input_is_one_sentence_and_exit_code_1(folder, capsys, data, arguments, message):
    if data is not None:
        (folder / "bad.txt").write_bytes(data)
    before = sorted(folder.iterdir())
    code = main(["pretrain", "bad.txt", *SMALL, "--steps", "2", "--valid-fraction", "0", "--out", "run", *arguments]
                if "--valid" not in arguments else
                ["pretrain", "bad.txt", *SMALL, "--steps", "2", "--out", "run", *arguments])
    err = capsys.readouterr().err
    assert code == 1 and message in err and err.startswith("tinyllm: ") and err.count("\n") == 1
    assert sorted(folder.iterdir()) == before
    assert (folder / "book.txt").read_text(encoding="utf-8") == TEXT


def test_errors_replace_goes_on(folder):
    (folder / "bad.txt").write_bytes(TEXT.encode() + b"\xff")
    assert main(["pretrain", "bad.txt", *SMALL, "--steps", "2", "--out", "run", "--errors", "replace"]) == 0


def test_an_existing_run_is_not_overwritten(trained, capsys):
    before = (trained / "model.safetensors").read_bytes()
    assert main(["pretrain", "book.txt", *SMALL, "--steps", "2", "--out", "run"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tinyllm: run: is a run folder already; resume it (--resume), replace it (--force) or choose another name")
    assert (trained / "model.safetensors").read_bytes() == before
    assert main(["pretrain", "book.txt", *SMALL, "--steps", "2", "--out", "run", "--force"]) == 0
    assert (trained / "model.safetensors").read_bytes() != before


@pytest.mark.parametrize("harm, message", [
    (lambda run: (run / "config.json").unlink(), "is not a run folder"),
    (lambda run: (run / "model.safetensors").write_bytes(b"\0" * 99), "model.safetensors"),
    (lambda run: (run / "tokenizer.json").write_text("{}"), "tokenizer.json"),
    (lambda run: (run / "config.json").write_text(
        json.dumps({**json.loads((run / "config.json").read_text()), "format": 99})), "99"),
])
def test_a_run_folder_that_is_none_is_named(trained, capsys, harm, message):
    harm(trained)
    assert main(["generate", "run"]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_ctrl_c_saves_and_resume_goes_on(folder):
    """A real process: SIGINT ends it after the step in hand with 130; the resumed run is the uninterrupted one."""
    def start(*arguments):
        return subprocess.Popen([sys.executable, "-m", "tinyllm", "pretrain", *arguments], stderr=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True, cwd=folder,
                                env={**os.environ, "PYTHONPATH": str(ROOT)})
    common = ["book.txt", *SMALL, "--steps", "4000", "--evaluate-every", "50"]
    process = start(*common, "--out", "run")
    while not (folder / "run" / "trainer.safetensors").exists():  # the first evaluation is over
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    log = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert 1 <= len(log) < 80
    resumed = start("--out", "run", "--resume", "--steps", str(50 * len(log) + 50))
    assert resumed.communicate(timeout=60) and resumed.returncode == 0


@pytest.mark.parametrize("closed, code, out, message", [
    (">&-", 0, "", ""), ("<&-", 0, "she", ""), ("2>&-", 0, "she", ""), ("--top-k 3 >&- 2>&- <&-", 0, "", ""),
    ("--top-p 0 >&-", 2, "", "--top-p: must be")])
def test_closed_streams(trained, closed, code, out, message):
    """What would be written there is lost, and goes into no file."""
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    result = subprocess.run(f"{sys.executable} -m tinyllm generate run she --max-tokens 5 {closed}", shell=True,
                            capture_output=True, text=True, cwd=trained.parent,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == code and result.stdout.startswith(out) and message in result.stderr
    assert "Traceback" not in result.stderr and (out or not result.stdout)
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_a_training_that_nobody_watches(folder):
    code = "from tinyllm.cli import main; raise SystemExit(main())"
    arguments = ["pretrain", "book.txt", *SMALL, "--steps", "2", "--out", "run"]
    result = subprocess.run(f"{sys.executable} -c '{code}' {' '.join(arguments)} 2>&-", shell=True, cwd=folder,
                            capture_output=True, text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 0 and result.stdout.startswith("run: 2 steps in ") and result.stdout.count("\n") == 1


def test_ctrl_c_while_importing():
    code = ("import runpy, sys\nclass Stop:\n    def find_spec(name, *rest):\n"
            "        if name == 'tinyllm.cli': raise KeyboardInterrupt\n"
            "sys.meta_path.insert(0, Stop)\nrunpy.run_module('tinyllm', run_name='__main__')")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 130 and result.stderr == "tinyllm: interrupted, nothing new was saved\n"


def test_nobody_reads_on(trained):
    """A reader that goes away (head) is no error message."""
    result = subprocess.run(f"{sys.executable} -m tinyllm generate run --max-tokens 2000 | head -c 10",
                            shell=True, capture_output=True, text=True, cwd=trained.parent,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert len(result.stdout.encode()) == 10
    assert "Traceback" not in result.stderr and "BrokenPipe" not in result.stderr
