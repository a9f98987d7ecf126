"""tinyllm VERB: parses, calls, prints.  A verb's file imports what it needs when it runs, so --help is immediate.

Progress and messages go to stderr, results to stdout; --json prints one JSON object on stdout and nothing else there.
Exit 0 done, 1 failed with one line why, 2 wrong usage, 130 interrupted.
"""
import argparse
import os
import sys

from tinyllm.cli import demo, doctor, evaluate, finetune, generate, gradcheck, predict, pretrain
from tinyllm.cli.arguments import Defaults, Verb

VERBS = {
    "demo": (demo, "pretrain, write, translate, judge and tag on built-in data, in about three minutes"),
    "pretrain": (pretrain, "train a language model on plain text"),
    "finetune": (finetune, "train a classifier, a tagger or a sequence-to-sequence model on labelled data"),
    "generate": (generate, "let a trained language model write"),
    "predict": (predict, "what a finetuned model makes of each line"),
    "evaluate": (evaluate, "score a trained model on a file"),
    "gradcheck": (gradcheck, "compare every backward formula with central differences"),
    "doctor": (doctor, "versions, processor, threads, kernel cache, what is missing"),
}


def parser():
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="tinyllm", description="Language models whose every formula is visible code, on an ordinary CPU.")
    top.add_argument("--version", action="store_true", help="print the version and end")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", parser_class=Verb)
    for name, (module, text) in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".",
                               formatter_class=Defaults, allow_abbrev=False)
        sub.set_defaults(run=module.run, usage=sub.error)
        module.add_arguments(sub)  # the parsers of finetune's tasks set their own
    return top


def main(argv=None):
    """Run one verb; returns the exit code."""
    _open_what_is_closed()
    args = parser().parse_args(argv)
    if args.version:
        from tinyllm import __version__
        print(f"tinyllm {__version__}")
        return 0
    if args.verb is None:
        parser().print_help()
        return 2
    try:
        code = args.run(args) or 0
        sys.stdout.flush()  # here, where what goes wrong is still answered
        return code
    except KeyboardInterrupt as stop:
        print(f"tinyllm: {str(stop) or 'interrupted, nothing new was saved'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _forget_stdout()  # nobody reads on: end quietly, with the code of a program that a closed pipe ends
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"tinyllm: {where}{error.strerror or error}", file=sys.stderr)
        _forget_stdout()
        return 1
    except (ValueError, ArithmeticError, MemoryError) as error:
        print(f"tinyllm: {error or type(error).__name__}", file=sys.stderr)
        return 1


def _open_what_is_closed():
    """A standard stream that is closed leads nowhere: else it is None, and the next file that is opened, a run's
    weights perhaps, gets its number and whatever is written there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _forget_stdout():
    """What is left to be written may not be written again when Python ends."""
    if sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
