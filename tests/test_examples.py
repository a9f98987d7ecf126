"""The examples run as a reader runs them, say what they promise, and stay short."""
import pytest

from tests.process import ROOT, run_python

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "__init__")


def run_example(name, *arguments):
    return run_python("-W", "error", "-m", f"examples.{name}", *arguments)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_says_what_it_is(name):
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 120
    for part in ("hapter", "What you will see:", "What to try:"):
        assert part in source.split('"""')[1]


def test_every_example_is_run_here():
    tests = (ROOT / "tests" / "test_examples.py").read_text(encoding="utf-8")
    for name in EXAMPLES:
        assert f'run_example("{name}"' in tests


def test_attention_by_hand():
    said = run_example("attention_by_hand")
    assert said.count("equal: True") == 2 and "equal: False" not in said
    assert "  sleeps    0.299    9.701" in said  # softmax([0, 5, 2]) V
    undivided, divided = [float(number) for number in said.split("\n   1024 ")[1].split()[1:3]]
    assert undivided > 0.9 > 0.5 > divided


def test_gru_by_hand():
    said = run_example("gru_by_hand")
    lines = said.splitlines()
    by_hand, from_nn = (next(line for line in lines if line.startswith(start)) for start in ("  h' =", "  nn.GRU"))
    assert by_hand.split()[-3:] == from_nn.split()[-3:]
    assert "equal: True" in said
    apart = [float(line.split()[-1]) for line in said.split("bias of z")[1].splitlines()[1:7]]
    assert apart == sorted(apart) and apart[0] < 0.01 < 1.9 < apart[-1]  # the higher z, the longer it remembers


def test_preprocessing():
    said = run_example("preprocessing", "--sentence", "Привет, 世界", "--sizes", "260", "500")
    assert "The | _function | _returns | _a | _list" in said
    assert "lost is '🐱', '龙'" in said and "lost is 'П'" in said
    of_bpe = [part for part in said.split("\n  BPE: ")[1:]]
    assert len(of_bpe) == 4
    assert all("is the sentence again" in "".join(part.splitlines()[:3]) for part in of_bpe)


def test_loss_by_hand_and_adam_by_hand():
    said = run_example("loss_and_training", "--steps", "0")
    assert said.count("equal: True") == 2
    assert "perplexity" in said


@pytest.mark.slow
def test_training_learns_a_sentence():
    said = run_example("loss_and_training", "--sentence", "小猫看着月亮，月亮也看着小猫。", "--steps", "40")
    assert "Known by heart: 15 of 15" in said


@pytest.mark.slow
def test_train_and_write():
    said = run_example("train_and_write", "--seconds", "2", "--characters", "100", "--hidden-dim", "64")
    table = [line.split()[:4] for line in said.split("it writes\n")[1].split("\n\n")[0].splitlines()]
    first, last = float(table[0][3]), float(table[-1][3])
    assert last < first
    assert "20-character pieces stand nowhere" in said


def test_train_and_write_needs_a_long_text(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("short", encoding="utf-8")
    with pytest.raises(AssertionError, match="5 characters are too few, take at least 4,096"):
        run_example("train_and_write", "--file", str(file))


def test_gradcheck_your_own_op():
    said = run_example("gradcheck_your_own_op")
    assert "1e-6 is allowed: passed" in said
    assert "wrong by 0.1 %" in said and "   Caught.  What the check says" in said
    assert "with a random dout   caught" in said
    assert "Not caught" in run_example("gradcheck_your_own_op", "--error", "1e-8")


def test_pretokenized():
    said = run_example("pretokenized", "--sentences", "200", "--steps", "60")
    assert "wo\tO\nn't\tO\n" in said and "Mary\tB-per\nJones\tI-per\n" in said
    assert int(said.split("F1 ")[1].split("%")[0]) > 80
    of_tokens, of_text = said.split("--pretokenized")[1].split("as bare text")
    assert "  's  bus" in of_tokens and "  8:20" in of_tokens and "  ca  n't  be" in of_tokens
    assert "  Olga's" in of_text and "  can't  be" in of_text


def test_the_defects_of_the_sketch():
    said = run_example("seq2seq_sketch", "--steps", "0")
    shown = [line.strip() for line in said.split("\n\n")[0].splitlines() if line.startswith("      ")]
    assert [line.split(":")[0] for line in shown] == [
        "NameError", "NameError", "ValueError", "no error", "ValueError", "ValueError", "ValueError", "no error",
        "ValueError", "no error", "IndexError", "no error"]
    assert "too many values to unpack" in shown[2] and "of words 0 to 8, 1000 states give only [0, 1, 2, 3]" in shown[7]
    assert "gru: x must be (B, T, E), got shape (1, 1)" in shown[5] and "with valid= by 0.00" in shown[9]


@pytest.mark.slow
def test_the_sketch_made_right_reverses_words():
    said = run_example("seq2seq_sketch")
    reversed_of_200 = [int(line.split()[2]) for line in said.split("new words\n")[1].split("\n\n")[0].splitlines()]
    assert reversed_of_200[0] < 10 and reversed_of_200[-1] > 180
    looked = [line.split() for line in said.split("while it writes\n")[1].splitlines()]
    assert [row[-1] for row in looked[:-1]] == list("gijdab")
    places = [row.index(max(row[:6], key=int)) for row in looked[:-1]]
    assert all(abs(place - expected) <= 1 for place, expected in zip(places, [5, 4, 3, 2, 1, 0], strict=True))
