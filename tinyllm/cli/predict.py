"""tinyllm predict RUN [FILE|-]: one input a line, one prediction a line, in order."""
import sys

from tinyllm.cli.arguments import add_json, add_search, options_of, print_json
from tinyllm.tasks.settings import ERRORS, SEARCH

OPTIONS = {"classify": (), "tag": ("pretokenized",), "seq2seq": SEARCH}
LINES = 1024  # of a file that are predicted at once


def add_arguments(parser):
    parser.add_argument("run_folder", metavar="RUN", help="the run folder of a classifier, tagger or seq2seq model")
    parser.add_argument("file", nargs="?", default="-", metavar="FILE",
                        help="one input a line; -: what is typed, answered line by line, or comes through a pipe")
    parser.add_argument("--pretokenized", action="store_true",
                        help="tag: the tokens are already separated by single spaces")
    add_search(parser)
    parser.add_argument("--errors", choices=ERRORS, default="strict",
                        help="what to do with bytes that are not UTF-8")
    add_json(parser, ", at the end, of all predictions")


def _lines(args):
    """Lists of lines: one at a time of what is typed, many at a time of a file or a pipe."""
    from tinyllm.data.readers import arriving_lines, read_lines
    if args.file != "-":
        lines = read_lines(args.file, args.errors)
        for begin in range(0, len(lines), LINES):
            yield lines[begin:begin + LINES]
    else:
        yield from arriving_lines(sys.stdin.buffer, "stdin", args.errors)


def run(args):
    import tinyllm
    model = tinyllm.load(args.run_folder)
    task = model.task
    if task == "lm":
        raise ValueError(f"{args.run_folder}: is a language model, which writes (tinyllm generate), not one to predict")
    options = options_of(args, task, OPTIONS)
    if args.json and task == "tag":
        options["probabilities"] = True  # a classifier's are there anyway
    predictions = []
    for lines in _lines(args):
        for prediction in model.predictions(lines, **options):
            if args.json:
                predictions.append(prediction)
            else:
                print(model.shown(prediction))
        sys.stdout.flush()
    if args.json:
        print_json({"predictions": predictions})
    for sentence in model.inputs.what_was_cut():
        print(f"tinyllm: {sentence}", file=sys.stderr)
    return 0
