"""Small data for the three supervised tasks, and a training of each that takes a second."""
from tinyllm.cli import parser
from tinyllm.cli.finetune import settings_of
from tinyllm.cli.pretrain import settings_of as pretrain_settings
from tinyllm.tasks import lm
from tinyllm.tasks.supervised import finetune
from tinyllm.training.progress import Progress

SIZES = ["--hidden-dim", "16", "--embed-dim", "8", "--num-heads", "2"]
SMALL = [*SIZES, "--batch-size", "4", "--lr", "0.01", "--dropout", "0.1"]
COLOURS = ["red", "green", "blue", "white"]
CLASSIFY = "".join(f"{'good' if n % 2 else 'bad'}\tthe {COLOURS[n % 4]} one is "
                   f"{'lovely' if n % 2 else 'awful'} number {n % 7}\n" for n in range(40))
TAG = "".join(f"{name}\tB-PER\nlives\tO\nin\tO\n{place}\tB-LOC\n{more}\n"
              for name in ("Ann", "Bob", "Cy", "Di") for place in ("Rome", "Oslo", "Lima")
              for more in ("City\tI-LOC\n", "now\tO\n"))
SEQ2SEQ = "".join(f"{a} {b}\t{b} {a}\n" for a in ("one", "two", "three", "four") for b in ("five", "six", "seven"))
DATA = {"classify": CLASSIFY, "tag": TAG, "seq2seq": SEQ2SEQ}
OPTIONS = {"classify": [], "tag": [], "seq2seq": ["--tokenizer", "word"]}


def settings(task, *arguments):
    """Those of the command line for a small model of the task and these arguments."""
    args = parser().parse_args(["finetune", task, "--out", "-", *SMALL, *OPTIONS[task], *map(str, arguments)])
    return settings_of(args)


def listening(said):
    """A Progress that says nothing, and appends the messages it is given to a list."""
    progress = Progress(quiet=True)
    progress.message = said.append
    return progress


def train(task, out, *arguments, **options):
    return finetune(task, out, settings(task, *arguments), progress=Progress(quiet=True), **options)


def files(folder):
    """Training data of each task in a folder: task -> path."""
    for task, text in DATA.items():
        (folder / f"{task}.tsv").write_text(text, encoding="utf-8")
    return {task: folder / f"{task}.tsv" for task in DATA}


def pretrained(folder, *arguments, text=CLASSIFY * 3):
    """A language model's run folder, of words unless the arguments say otherwise."""
    (folder / "plain.txt").write_text(text.replace("\t", " "), encoding="utf-8")
    options = ["--tokenizer", "word", *SIZES, "--batch-size", "4", "--seq-len", "16", "--steps", "2"]
    args = parser().parse_args(["pretrain", str(folder / "plain.txt"), "--out", "-", *options, *map(str, arguments)])
    out = folder / f"lm{len(list(folder.iterdir()))}"
    lm.pretrain(out, pretrain_settings(args), progress=Progress(quiet=True))
    return out
