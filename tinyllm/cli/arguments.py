"""Arguments that more than one verb has, and the checks of their values: a wrong value is wrong usage, exit code 2."""
import argparse
import math

from tinyllm.data.tables import FORMATS
from tinyllm.tasks.settings import BEAM, CELLS, ERRORS, LENGTH_PENALTY, MOST_BEAM
from tinyllm.training.options import BUDGETS


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows the defaults that there are; a switch shows none: that of --no-crf would be True, its reverse."""

    def _get_help_string(self, action):
        none = action.nargs == 0 or action.default is None or action.default in ((), "")
        return action.help if none else super()._get_help_string(action)


class Verb(argparse.ArgumentParser):
    """The parser of a verb: options may stand anywhere, but before all else where a -- follows; what is unknown is
    answered with the verb's own usage, and the result's `given` has what was given, as one types it: an option that
    equals its default was asked for all the same.
    """

    def parse_known_args(self, args=None, namespace=None):
        if self._subparsers is not None or namespace is not None:  # a task will follow; a half of what is called below
            return super().parse_known_args(args, namespace)
        actions = [action for action in self._actions if action.default != argparse.SUPPRESS]
        namespace = argparse.Namespace(**dict.fromkeys((action.dest for action in actions), _ABSENT))
        # what follows -- may look like an option, which is lost between the two halves of an intermixed parse
        parse = super().parse_known_args if "--" in args else self.parse_known_intermixed_args
        namespace, unknown = parse(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        namespace.given, typed = {}, {}
        for action in actions:  # two may have one destination
            typed.setdefault(action.dest, []).extend(action.option_strings[-1:] or [action.metavar or action.dest])
        for action in {action.dest: action for action in actions}.values():
            value, default = getattr(namespace, action.dest), self.get_default(action.dest)
            if value is _ABSENT:
                setattr(namespace, action.dest, default)
            elif action.option_strings or value is not default:  # argparse itself puts defaults where a FILE may stand
                namespace.given[action.dest] = " or ".join(typed[action.dest])
        return namespace, unknown


_ABSENT = object()


def number(kind, least=None, most=None, above=None, below=None):
    """A converter for argparse: a number within bounds, or a sentence that says which bounds."""
    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        wanted = "an integer" if kind is int else "a number"
        bounds = [f"at least {least}" if least is not None else "", f"above {above}" if above is not None else "",
                  f"at most {most}" if most is not None else "", f"below {below}" if below is not None else ""]
        fits = value is not None and math.isfinite(value) and not (
            (least is not None and value < least) or (above is not None and value <= above)
            or (most is not None and value > most) or (below is not None and value >= below))
        if not fits:
            raise argparse.ArgumentTypeError(
                f"must be {wanted} {' and '.join(b for b in bounds if b)}".rstrip() + f", got {text}")
        return value
    return convert


# the special tokens and something to say; all bytes
LEAST_VOCABULARY = {"char": 5, "word": 5, "token": 5, "bpe": 260}
PICKED = {"classify": "label and text", "tag": "token and tag"}  # of a file with more
count = number(int, least=1)
fraction = number(float, least=0, below=1)


def add_json(parser, more=""):
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else" + more)


def add_run(parser):
    """Where a training's run folder is, and whether it is new."""
    parser.add_argument("--out", required=True, metavar="RUN", help="the run folder to make")
    parser.add_argument("--resume", action="store_true",
                        help="go on with the run in RUN from its last checkpoint, with its own arguments")
    parser.add_argument("--force", action="store_true",
                        help="replace the run in RUN; train even if memory seems short (with --resume that alone)")


def add_search(parser):
    """How a sequence-to-sequence model looks for its output; None: as its task has it."""
    parser.add_argument("--beam", type=number(int, least=1, most=MOST_BEAM), metavar="N",
                        help=f"seq2seq: so many hypotheses side by side ({BEAM})")
    parser.add_argument("--length-penalty", type=number(float, least=0), metavar="F",
                        help="seq2seq: they are compared by log p / tokens^F; 0 favours short ones "
                             f"({LENGTH_PENALTY:g})")


def add_model(parser):
    """The sizes of a model; the group, for what a task adds."""
    model = parser.add_argument_group("model")
    model.add_argument("--cell", choices=CELLS, help="the recurrent layers' cell")
    model.add_argument("--embed-dim", type=count, metavar="E", help="size of an embedding")
    model.add_argument("--hidden-dim", type=count, metavar="H", help="size of a recurrent state")
    model.add_argument("--num-layers", type=count, metavar="N", help="recurrent layers")
    model.add_argument("--num-attention-layers", type=number(int, least=0), metavar="N",
                       help="attention layers on top of them")
    model.add_argument("--num-heads", type=count, metavar="N", help="heads of each attention layer")
    model.add_argument("--dropout", type=fraction, metavar="P", help="share of numbers dropped")
    return model


def add_training(parser, rows, minutes):
    """How a model is trained; the group, for what a task adds.  rows: what a batch has so many of."""
    training = parser.add_argument_group("training")
    budget = training.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=count, metavar="N", help="train so many steps")
    budget.add_argument("--epochs", type=count, metavar="N", help="or so often over the training data")
    budget.add_argument("--minutes", type=number(float, above=0), metavar="M",
                        help=f"or so long ({minutes:g} where no budget is given)")
    training.add_argument("--batch-size", type=count, metavar="B", help=rows)
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
    return training


def check_model(args):
    """Wrong usage: heads that do not divide the hidden size."""
    if args.num_attention_layers and args.hidden_dim % args.num_heads:
        args.usage(f"--num-heads must divide --hidden-dim, got {args.num_heads} and {args.hidden_dim}")


def check_resumed(args, settings):
    """Wrong usage: --resume with anything but a budget."""
    if args.resume and (given := given_of(args, [name for name in settings if name not in BUDGETS])):
        args.usage(f"--resume goes on with the arguments that the run was started with: leave out {given}")


def given_of(args, names):
    """Those that were given, as one types them; empty where none was."""
    return ", ".join(args.given[name] for name in names if name in args.given)


def options_of(args, task, options):
    """{name: value} of what was given of a task's own; wrong usage where something of another task was given.

    options  task -> the names of what it has
    """
    others = {name for names in options.values() for name in names} - {*options[task]}
    if given := given_of(args, sorted(others)):
        args.usage(f"{args.run_folder} is a run of {task}: leave out {given}")
    return {name: getattr(args, name) for name in options[task] if name in args.given}


def add_data(parser, task=None):
    """How a file of examples is read, of this task or, None, of any."""
    data, of_tags = parser.add_argument_group("data"), task == "tag"
    if not of_tags:
        known = {"classify": "names", "seq2seq": "names and first lines", None: "names, of seq2seq by first lines too"}
        data.add_argument("--format", choices=FORMATS[task or "seq2seq"],
                          help=f"of the files (else by their {known[task]})")
        data.add_argument("--fields", type=_names, metavar="A,B", help="the fields of a CSV or JSON Lines file")
    data.add_argument("--columns", type=_columns, metavar="I,J", help=(
        "the columns of token and tag, from 1, where a line has more: separated by a TAB or by spaces" if of_tags else
        "the columns of a TSV, from 1"))
    data.add_argument("--errors", choices=ERRORS, default="strict",
                      help="what to do with bytes that are not UTF-8")


def check_data(args, task, **files):
    """Wrong usage: another number of fields, columns or files than the task's examples have.  files: option=names"""
    for option in ("fields", "columns"):
        if task in PICKED and (picked := getattr(args, option, None)) and len(picked) != 2:
            args.usage(f"--{option} must be two for {task}, {PICKED[task]}, got {','.join(map(str, picked))}")
    chosen = getattr(args, "format", None)
    if chosen and chosen not in FORMATS.get(task, ()):
        args.usage(f"--format must be one of {', '.join(FORMATS[task])} for {task}, got {chosen}")
    for option, names in files.items():
        if chosen == "lines" and names and len(names) != 2:
            args.usage(f"--format lines takes two files, sources and targets, for {option}, got {len(names)}")


def check_vocabulary(args):
    """Wrong usage: fewer tokens than any text needs."""
    least = LEAST_VOCABULARY[args.tokenizer]
    if args.vocab_size is not None and args.vocab_size < least:
        args.usage(f"--vocab-size must be at least {least} for --tokenizer {args.tokenizer}, got {args.vocab_size}")


def _names(text):
    names = tuple(text.split(","))
    if len(names) < 2 or not all(names):
        raise argparse.ArgumentTypeError(f"must be names separated by commas, two or more, got {text}")
    return names


def _columns(text):
    if not all(part.isdecimal() and int(part) > 0 for part in text.split(",")) or "," not in text:
        raise argparse.ArgumentTypeError(f"must be numbers from 1 separated by commas, two or more, got {text}")
    return tuple(int(part) for part in text.split(","))


def add_sampling(parser):
    """How a language model chooses the next token."""
    group = parser.add_argument_group("sampling")
    group.add_argument("--max-tokens", type=count, default=300, metavar="N", help="how many tokens to write")
    group.add_argument("--temperature", type=number(float, least=0), default=0.8, metavar="T",
                       help="lower keeps to likely tokens, 0 takes the likeliest always")
    group.add_argument("--top-k", type=count, metavar="K", help="choose among the K likeliest only")
    group.add_argument("--top-p", type=number(float, above=0, most=1), metavar="P",
                       help="choose among the likeliest that hold P of the probability")
    group.add_argument("--repetition-penalty", type=number(float, above=0), default=1.0, metavar="R",
                       help="above 1: tokens that already stand there become less likely")
    group.add_argument("--seed", type=number(int, least=0), default=0, metavar="N",
                       help="the same seed writes the same text")


def print_json(result):
    """One JSON object on one line, NaN-free."""
    import json
    print(json.dumps(result, ensure_ascii=False, allow_nan=False))
