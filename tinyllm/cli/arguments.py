"""Arguments that more than one verb has, and the checks of their values: a wrong value is wrong usage, exit code 2."""
import argparse
import math


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows the defaults that there are."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False, (), "") else super()._get_help_string(action)


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


count = number(int, least=1)
fraction = number(float, least=0, below=1)


def add_json(parser):
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")


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
