"""How much of a generated text is new.

The text that this package implements claims (2, point 3): generative tasks ask a model for "new text that was
not seen before".  That can be counted: cut the generated text into pieces of 20 characters (or 5 words), one
starting at each character (or word), and look for each of them in the training text.

    share = pieces that stand nowhere in the training text / pieces            in 0..1

A model that has learnt its training text by heart gives 0.  Random characters give 1, so the number says
something only beside a loss or a reader.
"""


def _pieces(text, size, unit):
    """The pieces of the text in order, overlapping; words are what white space separates."""
    if unit == "character":
        return (text[i:i + size] for i in range(len(text) - size + 1))
    words = text.split()
    return zip(*(words[i:] for i in range(size)))


def novel_share(generated, training, size=20, unit="character"):
    """The share of the pieces of `generated` that stand nowhere in `training`, in 0..1; None without a piece.

    generated            str, or several: no piece spans two of them
    training             str
    size                 characters or words in a piece, at least 1
    unit                 "character" or "word"

    Raises ValueError for a size below 1 and an unknown unit.
    """
    if unit not in ("character", "word"):
        raise ValueError(f"novel_share: unit must be character or word, got {unit!r}")
    if size < 1:
        raise ValueError(f"novel_share: size must be at least 1, got {size}")
    texts = [generated] if isinstance(generated, str) else generated
    pieces = [piece for text in texts for piece in _pieces(text, size, unit)]
    if not pieces:
        return None
    known = set(pieces).intersection(_pieces(training, size, unit))  # no larger than what was generated
    return sum(piece not in known for piece in pieces) / len(pieces)
