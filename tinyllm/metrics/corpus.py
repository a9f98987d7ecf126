"""What a metric is given: checked before anything is counted; and the signature that says how it was."""
from tinyllm import __version__


def check_strings(metric, argument, values):
    """Raise TypeError unless values is a list (or tuple) of strings."""
    check_list(metric, argument, values)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(f"{metric}: {argument}[{i}] must be a string, got {type(value).__name__}")


def check_list(metric, argument, values):
    """Raise TypeError unless values is a list (or tuple): a string would be taken apart into characters."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{metric}: {argument} must be a list, got {type(values).__name__}")


def check_same_number(metric, what, **arguments):
    """Raise ValueError unless two lists hold the same number, at least one, of `what` (for the message)."""
    (first, one), (second, other) = arguments.items()
    if not one and not other:
        raise ValueError(f"{metric}: {first} must not be empty, got no {what}")
    if len(one) != len(other):
        raise ValueError(f"{metric}: {first} and {second} must hold the same number of {what}, "
                         f"got {len(one)} and {len(other)}")


def check_corpus(metric, hypotheses, references):
    """Raise unless hypotheses are N >= 1 strings and references are N lists of at least one string each.

    TypeError for what is no list or no string, ValueError for numbers that do not fit.
    """
    check_strings(metric, "hypotheses", hypotheses)
    check_list(metric, "references", references)
    check_same_number(metric, "sentences", hypotheses=hypotheses, references=references)
    for i, several in enumerate(references):
        check_strings(metric, f"references[{i}]", several)
        if not several:
            raise ValueError(f"{metric}: references[{i}] must hold at least one reference, got none")


def signature(references, **settings):
    """What a figure was made with, in sacrebleu's notation: nrefs:1|case:mixed|...|version:tinyllm-0.1.0."""
    numbers = {len(several) for several in references}
    nrefs = numbers.pop() if len(numbers) == 1 else "var"
    parts = {"nrefs": nrefs, "case": "mixed", **settings, "version": f"tinyllm-{__version__}"}
    return "|".join(f"{name}:{value}" for name, value in parts.items())
