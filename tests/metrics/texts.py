"""What the metrics are tested on: corpora drawn from pieces that the tokenisers treat in their own ways."""
from itertools import zip_longest

from hypothesis import strategies as st

PIECES = ["the", "cat", "sat", "on", "The", "x-ray", "3", "14", "1999", "可", "天气", "很", "好", "かな", "한", "é",
          " ", " ", " ", "\n", "-\n", "\t", "\u3000", "\xa0", "\x1c", "-", ".", ",", "'", "\"", "&", "&quot;",
          "&amp;lt;", "<skipped>", "(", ")", "/", "@", "~", "$", "%", "_", "|", "…", "—", "“", "。", "，", "ｗ",
          "·", "々", "𠀀", "😀", "⭐"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=12)


@st.composite
def corpora(draw):
    """(hypotheses, references): up to four sentences with up to three references each, some of them alike."""
    references = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=4))
    hypotheses = []
    for several in references:
        text = draw(st.sampled_from(several) | TEXTS)
        cut = draw(st.integers(0, len(text)))
        hypotheses.append(text[:cut] + draw(TEXTS) + text[cut:] if draw(st.booleans()) else text[:cut])
    return hypotheses, references


def by_rank(references):
    """References as sacrebleu takes them: all first ones, all second ones, ...; None where there is none."""
    return [list(rank) for rank in zip_longest(*references)]


BAD_CORPORA = [  # hypotheses, references, error, what it says after the metric's name
    (["a"], [["a"], ["b"]], ValueError,
     "hypotheses and references must hold the same number of sentences, got 1 and 2"),
    ([], [], ValueError, "hypotheses must not be empty, got no sentences"),
    (["a"], [[]], ValueError, r"references\[0\] must hold at least one reference, got none"),
    ("a", [["a"]], TypeError, "hypotheses must be a list, got str"),
    (["a", None], [["a"], ["b"]], TypeError, r"hypotheses\[1\] must be a string, got NoneType"),
    (["a"], "a", TypeError, "references must be a list, got str"),
    (["a"], ["a"], TypeError, r"references\[0\] must be a list, got str"),
    (["a"], [["a", 3]], TypeError, r"references\[0\]\[1\] must be a string, got int"),
]
