"""tinyllm generate RUN [PROMPT]: the text comes as it is written."""
import sys

from tinyllm.cli.arguments import add_json, add_sampling, count, print_json


def add_arguments(parser):
    parser.add_argument("run_folder", metavar="RUN", help="the run folder of a language model")
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="what the text begins with")
    parser.add_argument("--num-samples", type=count, default=1, metavar="N", help="so many texts")
    parser.add_argument("--int8", action="store_true",
                        help="round the weights to eight bits: a large model writes faster, at the cost that "
                             "evaluate --int8 shows")
    add_sampling(parser)
    add_json(parser)


def run(args):
    import tinyllm
    model = tinyllm.load(args.run_folder)
    if model.task != "lm":
        raise ValueError(
            f"{args.run_folder}: is a run of {model.task}, which answers (tinyllm predict), not one to write")
    choice = {name: getattr(args, name) for name in (
        "max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "int8")}
    if args.json:
        texts = model.generate(args.prompt, num_samples=args.num_samples, seed=args.seed, **choice)
        texts = [texts] if isinstance(texts, str) else texts
        print_json({"prompt": args.prompt, "texts": texts, "novel_share": model.novel_share(texts)})
        return 0
    texts = []
    for number in range(args.num_samples):
        pieces, coming = [], model.stream(args.prompt, seed=args.seed + number, **choice)
        print(args.prompt, end="", flush=True)
        for piece in coming:
            pieces.append(piece)
            print(piece, end="", flush=True)
        print("\n" if number + 1 < args.num_samples else "")
        texts.append("".join(pieces))
    share = model.novel_share(texts)
    if share is not None:
        print(f"tinyllm: {share:.0%} of its {model.piece} stand nowhere in the training text", file=sys.stderr)
    return 0
