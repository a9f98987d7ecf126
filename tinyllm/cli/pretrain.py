"""tinyllm pretrain [FILE...] --out RUN: a language model from plain text."""
import importlib.util
import sys

from tinyllm.cli.arguments import add_json, count, fraction, number, print_json
from tinyllm.tasks.settings import BUDGETS, PRETRAIN


def add_arguments(parser):
    parser.add_argument("files", nargs="*", metavar="FILE",
                        help="UTF-8 text, .gz too; several are read one after the other; none: the built-in text")
    parser.add_argument("--out", required=True, metavar="RUN", help="the run folder to make")
    parser.add_argument("--resume", action="store_true",
                        help="go on with the run in RUN from its last checkpoint, with its own arguments")
    parser.add_argument("--force", action="store_true",
                        help="replace the run in RUN; train even if memory seems short (with --resume that alone)")
    parser.add_argument("--errors", choices=["strict", "replace"],
                        help="what to do with bytes that are not UTF-8")
    valid = parser.add_mutually_exclusive_group()
    valid.add_argument("--valid", metavar="FILE", help="validation text")
    valid.add_argument("--valid-fraction", type=fraction, metavar="F",
                       help="the last part of the text, by position, is validation (0: none); the built-in text "
                            "has its own")
    add_json(parser)

    text = parser.add_argument_group("text")
    text.add_argument("--tokenizer", choices=["char", "word", "bpe"], help="what a token is")
    text.add_argument("--vocab-size", type=count, metavar="V",
                      help="how many tokens; char: all characters, word: 20000 and bpe: 4096 at most unless given")

    model = parser.add_argument_group("model")
    model.add_argument("--cell", choices=["gru", "lstm", "rnn"], help="the recurrent layers' cell")
    model.add_argument("--embed-dim", type=count, metavar="E", help="size of an embedding")
    model.add_argument("--hidden-dim", type=count, metavar="H", help="size of a recurrent state")
    model.add_argument("--num-layers", type=count, metavar="N", help="recurrent layers")
    model.add_argument("--num-attention-layers", type=number(int, least=0), metavar="N",
                       help="attention layers on top of them")
    model.add_argument("--num-heads", type=count, metavar="N", help="heads of each attention layer")
    model.add_argument("--dropout", type=fraction, metavar="P", help="share of numbers dropped")
    model.add_argument("--tie-weights", action="store_true", help="the output layer uses the embedding's matrix")

    training = parser.add_argument_group("training")
    budget = training.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=count, metavar="N", help="train so many steps")
    budget.add_argument("--epochs", type=count, metavar="N", help="or so often over the text")
    budget.add_argument("--minutes", type=number(float, above=0), metavar="M",
                        help="or so long (10 where no budget is given)")
    training.add_argument("--batch-size", type=count, metavar="B", help="texts side by side")
    training.add_argument("--seq-len", type=count, metavar="T", help="tokens of each in a step")
    training.add_argument("--shuffle", action="store_true",
                          help="windows in random order, each from an empty state, instead of carrying the state on")
    training.add_argument("--accumulate", type=count, metavar="N", help="batches whose gradients add up")
    training.add_argument("--lr", type=number(float, above=0), help="learning rate at its highest")
    training.add_argument("--warmup", type=fraction, metavar="F", help="share of the budget to reach it")
    training.add_argument("--weight-decay", type=number(float, least=0), metavar="W", help="of AdamW")
    training.add_argument("--clip", type=number(float, above=0), metavar="NORM",
                          help="longest gradient over all parameters")
    training.add_argument("--average", type=fraction, metavar="DECAY",
                          help="keep a moving average of the weights with this decay and use it (0: none)")
    training.add_argument("--patience", type=count, metavar="N",
                          help="stop after so many validations without a better one")
    training.add_argument("--evaluate-every", type=count, metavar="STEPS",
                          help="validate and save so often (else as often as costs little)")
    training.add_argument("--seed", type=number(int, least=0), metavar="N",
                          help="of weights, batches and dropout: the same seed, the same run")
    parser.set_defaults(**PRETRAIN)


LEAST_VOCABULARY = {"char": 5, "word": 5, "bpe": 260}  # the special tokens and something to say; all bytes


def settings_of(args):
    """The arguments that decide what the training computes."""
    return {name: getattr(args, name) for name in PRETRAIN}


def check(args):
    """Wrong usage that one argument alone does not show."""
    if "" in (args.out, args.valid, *args.files):
        args.usage("FILE and RUN must be names, got an empty one")
    least = LEAST_VOCABULARY[args.tokenizer]
    if args.vocab_size is not None and args.vocab_size < least:
        args.usage(f"--vocab-size must be at least {least} for --tokenizer {args.tokenizer}, got {args.vocab_size}")
    if args.patience and args.files and not args.valid and not args.valid_fraction:
        args.usage("--patience needs a validation text, and --valid-fraction 0 leaves none")
    if args.num_attention_layers and args.hidden_dim % args.num_heads:
        args.usage(f"--num-heads must divide --hidden-dim, got {args.num_heads} and {args.hidden_dim}")
    if not args.files and args.valid_fraction != args.defaults("valid_fraction"):
        args.usage("--valid-fraction needs a FILE: the built-in text has its own validation part")
    if args.resume:
        given = [name for name, value in settings_of(args).items()
                 if name not in BUDGETS and value != args.defaults(name)]
        if given:
            options = ", ".join("FILE" if name == "files" else "--" + name.replace("_", "-") for name in given)
            args.usage(f"--resume goes on with the arguments that the run was started with: leave out {options}")


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
