r"""What BLEU counts as tokens, by the rules of sacrebleu: str -> list of tokens.

    13a    the rules of mteval-v13a.pl, WMT's scoring script, for Western text
    zh     each Chinese character is a token; what is between them follows the same rules
    char   each character that is not white space is a token
    none   what stands between white space is a token

A BLEU compares only with one over the same tokens, so the rules are kept to the letter, odd corners too:

  - a rule goes from left to right and reads no character twice: "a..5" becomes a . .5, the second full stop
    not seeing the first before it;
  - zh takes all of U+2001..U+2A6D (dashes, quotation marks, arrows, symbols) for Chinese characters, and none
    beyond U+FFFF, because its table writes code points of five digits as four and a fifth character.
"""
import re

WESTERN = [(re.compile(pattern), replacement) for pattern, replacement in (
    (r"([!-&(-+/:-@[-`{-~])", r" \1 "),  # every ASCII symbol but ' , - .
    (r"([^0-9])([.,])", r"\1 \2 "),  # . and , unless a digit is before them
    (r"([.,])([^0-9])", r" \1 \2"),  # . and , unless a digit is after them
    (r"([0-9])(-)", r"\1 \2 "),  # - after a digit
)]
CHINESE = re.compile(
    "([\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31ef\u3200-\u4db5\u4e00-\u9fbb"
    "\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])")
BEFORE_13A = (("<skipped>", ""), ("-\n", ""), ("\n", " "),
              ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def western(text):
    """Symbols and punctuation apart from words and numbers."""
    for pattern, replacement in WESTERN:
        text = pattern.sub(replacement, text)
    return text.split()


def tokens_13a(text):
    """Line breaks and the four SGML entities undone, then the rules for Western text."""
    for old, new in BEFORE_13A:
        text = text.replace(old, new)
    return western(f" {text} ")  # so that a full stop at either end has a neighbour that is no digit


def tokens_zh(text):
    """Chinese characters apart, then the rules for Western text."""
    return western(CHINESE.sub(r" \1 ", text.strip()))


def tokens_char(text):
    """Characters without white space."""
    return list("".join(text.split()))


TOKENIZERS = {"13a": tokens_13a, "zh": tokens_zh, "char": tokens_char, "none": str.split}


def bleu_tokens(text, tokenize):
    """The tokens of one sentence; tokenize is a key of TOKENIZERS.  White space at the end does not count."""
    return TOKENIZERS[tokenize](text.rstrip())
