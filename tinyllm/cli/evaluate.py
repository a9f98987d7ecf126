"""tinyllm evaluate RUN FILE: the scores of a run's task."""
import sys

from tinyllm.cli.arguments import add_data, add_json, add_search, check_data, options_of, print_json
from tinyllm.tasks.settings import READING, SEARCH

OPTIONS = {**READING, "lm": READING["lm"] + ("int8",), "seq2seq": READING["seq2seq"] + SEARCH}


def add_arguments(parser):
    parser.add_argument("run_folder", metavar="RUN", help="the run folder")
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to score on")
    parser.add_argument("--int8", action="store_true", help="lm: as it writes with generate --int8")
    add_search(parser)
    add_data(parser)
    add_json(parser)


def run(args):
    import tinyllm
    from tinyllm.tasks.inputs import one_line
    model = tinyllm.load(args.run_folder)
    task = model.task
    options = options_of(args, task, OPTIONS)
    check_data(args, task, FILE=args.files)
    scores = model.evaluate(*args.files, **options)
    if args.json:
        print_json(scores)
    else:
        for name, value in scores.items():
            if isinstance(value, dict):  # a table: of rows of numbers
                if name == "confusion":
                    print(f"{name:<16} a row is what is true, in it how often each label was predicted")
                for row, numbers in value.items():
                    columns = "  ".join(f"{one_line(column)} {_shown(n)}" for column, n in numbers.items())
                    print(f"{name:<16} {one_line(row):<16} {columns}")
            else:
                print(f"{name:<16} {_shown(value)}")
    for sentence in [] if task == "lm" else model.inputs.what_was_cut():
        print(f"tinyllm: {sentence}", file=sys.stderr)
    return 0


def _shown(value):
    return f"{value:.4f}" if isinstance(value, float) else str(value)
