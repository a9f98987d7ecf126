"""tinyllm pretrain [FILE...] --out RUN: a language model from plain text."""
import importlib.util
import sys

from tinyllm.cli.arguments import (
    add_json, add_model, add_run, add_training, check_model, check_resumed, check_vocabulary, count, fraction,
    given_of, print_json)
from tinyllm.tasks.settings import ERRORS, FROM_EMBEDDINGS, LM_BPE, LM_WORDS, MINUTES, PRETRAIN, TOKENIZERS


def add_arguments(parser):
    parser.add_argument("files", nargs="*", metavar="FILE",
                        help="UTF-8 text, .gz too; several are read one after the other; none: the built-in text")
    add_run(parser)
    parser.add_argument("--errors", choices=ERRORS,
                        help="what to do with bytes that are not UTF-8")
    valid = parser.add_mutually_exclusive_group()
    valid.add_argument("--valid", metavar="FILE", help="validation text")
    valid.add_argument("--valid-fraction", type=fraction, metavar="F",
                       help="the last part of the text, by position, is validation (0: none); the built-in text "
                            "has its own")
    add_json(parser)

    text = parser.add_argument_group("text")
    text.add_argument("--tokenizer", choices=TOKENIZERS["lm"], help="what a token is")
    text.add_argument("--vocab-size", type=count, metavar="V",
                      help=f"how many tokens; char: all characters, word: {LM_WORDS} and bpe: {LM_BPE} at most unless "
                           "given")

    model = add_model(parser)
    model.add_argument("--tie-weights", action="store_true", help="the output layer uses the embedding's matrix")

    training = add_training(parser, "texts side by side", MINUTES["lm"])
    training.add_argument("--seq-len", type=count, metavar="T", help="tokens of each in a step")
    training.add_argument("--shuffle", action="store_true",
                          help="windows in random order, each from an empty state, instead of carrying the state on")
    training.add_argument("--reverse", action="store_true",
                          help="read the text backwards: for finetune --from-reversed")
    training.add_argument("--embeddings-from", metavar="RUN",
                          help="read with the tokenizer and the embeddings of a pretrained run, and leave them as they "
                               "are: what finetune --from RUN --from-reversed needs of the second one")
    parser.set_defaults(**PRETRAIN)


def settings_of(args):
    """The settings that are asked for: those of another run's embeddings or the defaults stand for the others."""
    return {name: getattr(args, name) for name in PRETRAIN if name in args.given}


def check(args):
    """Wrong usage that one argument alone does not show."""
    if "" in (args.out, args.valid, args.embeddings_from, *args.files):
        args.usage("FILE and RUN must be names, got an empty one")
    check_vocabulary(args)
    if args.patience and args.files and not args.valid and not args.valid_fraction:
        args.usage("--patience needs a validation text, and --valid-fraction 0 leaves none")
    check_model(args)
    if not args.files and "valid_fraction" in args.given:
        args.usage("--valid-fraction needs a FILE: the built-in text has its own validation part")
    if args.embeddings_from and (given := given_of(args, FROM_EMBEDDINGS)):
        args.usage(f"--embeddings-from takes tokenizer and embeddings from its run: leave out {given}")
    check_resumed(args, PRETRAIN)


def draw_curves(run_folder):
    """The curves as curves.png in the run folder, where the extra [plot] is installed; never an error."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from tinyllm.training.plot import plot_run
    try:
        print(f"tinyllm: the curves are in {plot_run(run_folder)}", file=sys.stderr)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"tinyllm: the curves could not be drawn: {error}", file=sys.stderr)


def run(args):
    check(args)
    from tinyllm.tasks import lm
    result = lm.pretrain(args.out, settings_of(args), resume=args.resume, force=args.force)
    if args.json:
        print_json(result)
    else:
        print(f"{result['run']}: {result['steps']} steps in {result['seconds']:.0f} s"
              + (f", validation {result['nats_per_char']:.4f} nats per character" if "nats_per_char" in result else ""))
    draw_curves(args.out)
    return 0
