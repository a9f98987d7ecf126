from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.text.samples import TEXT
from tinyllm.text import bpe, vocabulary, word


@pytest.mark.parametrize("pattern", [bpe.PATTERN, word.PATTERN], ids=["bpe", "word"])
@settings(max_examples=200)
@example("aa   b")
@example("aa!\x1cb")
@given(st.text("a b\n\t\x1c'9。\u3000t"))
def test_a_text_cut_in_pieces_has_the_same_tokens(pattern, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "PIECE", 3)
        assert list(chain.from_iterable(vocabulary.pieces(text, pattern))) == pattern.findall(text)


@pytest.mark.parametrize("pattern", [bpe.PATTERN, word.PATTERN], ids=["bpe", "word"])
def test_the_tokens_put_together_are_the_text(pattern):
    assert "".join(pattern.findall(TEXT)) == TEXT
