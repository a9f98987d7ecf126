"""tinyllm finetune classify|tag|seq2seq: a model from labelled data, from nothing or from a pretrained one."""
from tinyllm.cli.arguments import (
    Defaults, add_data, add_json, add_model, add_run, add_training, check_data, check_model, check_resumed,
    check_vocabulary, count, fraction, given_of, number, print_json)
from tinyllm.cli.pretrain import draw_curves
from tinyllm.tasks.settings import (
    BPE, DECODED, FINETUNE, FROM_RUN, MINUTES, SELECT, TOKENIZERS, TRUNCATE, check_seq2seq)

TASKS = {
    "classify": "one label for a text; files of `label TAB text`, or CSV and JSON Lines with --fields LABEL,TEXT",
    "tag": "a BIO tag for each token; files of `token TAB tag` lines, or of more columns with --columns TOKEN,TAG, "
           "an empty line between sentences",
    "seq2seq": "a text for a text; files of `source TAB target`, two line-aligned files, CSV and JSON Lines with "
               "--fields SOURCE,TARGET, or bAbI",
}


def add_arguments(parser):
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for task, text in TASKS.items():
        sub = tasks.add_parser(task, help=text, description=text[0].upper() + text[1:] + ".",
                               formatter_class=Defaults, allow_abbrev=False)
        _add_arguments(sub, task)
        sub.set_defaults(usage=sub.error, **FINETUNE[task])


def _add_arguments(parser, task):
    parser.add_argument("--train", nargs="+", metavar="FILE", help="what to learn from; .gz too")
    parser.add_argument("--dev", nargs="+", metavar="FILE", help="what decides which weights are kept" + (
        f", by loss and by greedy outputs for {DECODED} records of it at most" if task == "seq2seq" else ""))
    parser.add_argument("--select", choices=SELECT[task],
                        help=f"by which score on it, ties by valid_loss ({SELECT[task][0]})")
    add_run(parser)
    add_json(parser)
    add_data(parser, task)

    start = parser.add_argument_group("start")
    start.add_argument("--from", dest="from_run", metavar="RUN",
                       help="a pretrained language model: its tokenizer, sizes and weights")
    start.add_argument("--from-reversed", metavar="RUN",
                       help="a second one (pretrain --reverse, same text and sizes) for the direction back in time")
    start.add_argument("--from-lr", type=number(float, least=0, most=1), metavar="F",
                       help="the learning rate of what is taken over, as a share of --lr")

    text = parser.add_argument_group("text")
    text.add_argument("--tokenizer", choices=TOKENIZERS[task], help="what a token is" + (
        "" if task == "seq2seq" else "; token: a word without the space before it"))
    text.add_argument("--vocab-size", type=count, metavar="V", help=(
        "how many tokens, the most frequent (all)" if task == "tag" else
        f"how many tokens (bpe: {BPE} at most, else all)"))
    text.add_argument("--max-len", type=count, metavar="T", help=(
        "longer sentences are read in pieces of so many tokens" if task == "tag" else
        "longer texts are cut to so many tokens" if task == "classify" else
        "longer sources, and targets without --max-target-len, are cut to so many tokens"))
    if task == "seq2seq":
        text.add_argument("--max-target-len", type=count, metavar="T",
                          help="longer targets are cut to so many tokens, and none longer is written (--max-len)")
        text.add_argument("--truncate", choices=TRUNCATE,
                          help="what of a longer source goes; bAbI's question is at the end, so cut its start")
        text.add_argument("--sentences", action="store_true", help=(
            "a source is a story and a question: read sentence by sentence, the last one, the question, first, each as "
            "the sum of its words (--tokenizer word; --max-len counts sentences)"))
    if task != "seq2seq":
        features = text.add_mutually_exclusive_group()
        features.add_argument("--features", type=_kinds, metavar="KINDS", help=(
            "what a token is besides itself, separated by commas; of words lower, prefixes, suffixes, shape, "
            "long_shape (these unless given) and ngrams; of characters left, right, class (these) and around"))
        features.add_argument("--no-features", dest="features", action="store_false", help="tokens alone")
        text.add_argument("--max-features", type=count, metavar="N", help="the most frequent ones are kept")
        text.add_argument("--min-count", type=count, metavar="N", help="of those that occur so often")

    model = add_model(parser)
    if task == "tag":
        model.add_argument("--no-crf", dest="crf", action="store_false", help="each tag by itself")
    if task == "seq2seq":
        model.add_argument("--no-tie-weights", dest="tie_weights", action="store_false",
                           help="an output layer of its own instead of the embedding's matrix")
        model.add_argument("--copy", action="store_true", help=(
            "a token of the source may be copied instead of generating one, for summaries (See et al. 2017, but tokens "
            "of the vocabulary alone: sub-words have them all)"))

    training = add_training(parser, "examples in a batch", MINUTES[task])
    training.add_argument("--word-dropout", type=fraction, metavar="P", help="share of input tokens made unknown")
    if task != "tag":
        training.add_argument("--label-smoothing", type=fraction, metavar="P",
                              help="share of the target's probability spread over all")
    if task == "seq2seq":
        training.add_argument("--teacher-forcing-ratio", type=number(float, least=0, most=1), metavar="P",
                              help="share of batches that read the target; the others read what the model writes")


def check(args):
    """Wrong usage that one argument alone does not show."""
    if "" in (args.out, args.from_run, args.from_reversed, *args.train, *args.dev):
        args.usage("FILE and RUN must be names, got an empty one")
    if not (args.train or args.resume):
        args.usage("--train needs at least one FILE")
    check_model(args)
    check_vocabulary(args)
    check_data(args, args.task, **{"--train": args.train, "--dev": args.dev})
    check_resumed(args, FINETUNE[args.task])
    if not args.dev and (given := given_of(args, ("patience", "select"))):
        args.usage(f"--dev is needed with {given}")
    if args.task != "seq2seq" and not args.from_run:  # what tokens a pretrained run has, finetune finds out
        _check_features(args)
    if not args.from_run and (given := given_of(args, ("from_reversed", "from_lr"))):
        args.usage(f"{given} goes with --from")
    if args.from_run and (given := given_of(args, FROM_RUN + ("sentences",))):
        args.usage(f"--from takes sizes and tokenizer from the pretrained run: leave out {given}")
    if args.task == "seq2seq" and not args.resume:
        try:
            check_seq2seq(vars(args))
        except ValueError as error:
            args.usage(str(error))


def _kinds(text):
    return tuple(text.split(","))


def _check_features(args):
    """Wrong usage: kinds that the tokens do not have, and numbers where there are none."""
    from tinyllm.tasks.vocabularies import check_features
    try:
        check_features(vars(args), args.given)
    except ValueError as error:
        args.usage(str(error))


def settings_of(args):
    """The settings that are asked for: those of a pretrained run or the defaults stand for the others."""
    return {name: getattr(args, name) for name in FINETUNE[args.task] if name in args.given}


def run(args):
    check(args)
    from tinyllm.tasks.supervised import finetune
    result = finetune(args.task, args.out, settings_of(args), resume=args.resume, force=args.force)
    if args.json:
        print_json(result)
    else:
        scores = ", ".join(f"{name} {result[name]:.4g}" for name in SELECT[args.task] if name in result)
        print(f"{result['run']}: {result['steps']} steps in {result['seconds']:.0f} s"
              + (f", on dev {scores}" if scores else ""))
    draw_curves(args.out)
    return 0
