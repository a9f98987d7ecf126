"""tinyllm evaluate RUN FILE: the scores of a run's task."""
from tinyllm.cli.arguments import add_json, print_json


def add_arguments(parser):
    parser.add_argument("run_folder", metavar="RUN", help="the run folder")
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to score on")
    parser.add_argument("--errors", choices=["strict", "replace"], default="strict",
                        help="what to do with bytes that are not UTF-8")
    add_json(parser)


def run(args):
    import tinyllm
    scores = tinyllm.load(args.run_folder).evaluate(*args.files, errors=args.errors)
    if args.json:
        print_json(scores)
    else:
        for name, value in scores.items():
            print(f"{name:<16} {value:.4f}" if isinstance(value, float) else f"{name:<16} {value}")
    return 0
