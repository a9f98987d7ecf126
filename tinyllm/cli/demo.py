"""tinyllm demo: a language model from nothing on the text that every Python has, in about three minutes."""
from pathlib import Path

from tinyllm.cli.arguments import add_json, number, print_json

PROMPT = "The "
SIZES = {"hidden_dim": 256, "num_heads": 4, "dropout": 0.1, "lr": 5e-3}  # a small model: there is little time


def add_arguments(parser):
    parser.add_argument("--out", metavar="RUN", help="the run folder to make (the first free of tinyllm-demo, -2, ...)")
    parser.add_argument("--minutes", type=number(float, above=0), default=1.5, metavar="M", help="how long to train")
    parser.add_argument("--seed", type=number(int, least=0), default=0, help="of the whole demonstration")
    add_json(parser)


def free_folder(name="tinyllm-demo"):
    """The first of name, name-2, name-3, ... that is not there."""
    number, path = 1, Path(name)
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path


def run(args):
    import sys

    import tinyllm
    from tinyllm.data.builtin import documentation
    from tinyllm.metrics.ngram import ngram_score
    from tinyllm.tasks import lm
    from tinyllm.training.run_folder import RunFolder

    def say(text, end="\n"):
        print(text, end=end, file=sys.stderr if args.json else sys.stdout, flush=True)

    out = args.out or free_folder()
    train, held_out = documentation()
    bar = ngram_score(train, held_out).nats_per_char
    say(f"The text: Python's own documentation, {len(train):,} characters to learn from, {len(held_out):,} held out.")
    say(f"The bar: counting four characters at a time predicts the held-out part with {bar:.2f} nats a character.")
    say(f"Now a GRU with attention learns for {args.minutes:g} minutes.\n")
    result = lm.pretrain(out, {"minutes": args.minutes, "seed": args.seed, **SIZES})
    losses = [(line["step"], line["nats_per_char"]) for line in RunFolder.open(out).read_log()]
    say("\nHeld-out nats a character: " + ", ".join(f"{loss:.2f} (step {step})" for step, loss in losses))
    reached = result["nats_per_char"]
    say(f"The bar was {bar:.2f}; the model {'beats it:' if reached < bar else 'has not reached it:'} {reached:.2f}.\n")
    model = tinyllm.load(out)
    say(f"It writes:\n\n{PROMPT}", end="")
    text = PROMPT
    for piece in model.stream(PROMPT, max_tokens=600, temperature=0.7, seed=args.seed):
        text += piece
        say(piece, end="")
    share = model.novel_share([text])
    say(f"\n\n{share:.0%} of its {model.piece} stand nowhere in the training text.")
    say(f"\nThe run is in {out}.  What to try next:\n"
        f"  tinyllm generate {out} \"A class\" --temperature 0.5\n"
        f"  tinyllm pretrain YOUR.txt --minutes 10 --out my-run\n"
        f"  tinyllm gradcheck gru attention")
    if args.json:
        print_json({**result, "bar": bar, "text": text, "novel_share": share})
    return 0
