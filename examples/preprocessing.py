"""Chapter 3.1 of the text, preprocessing: from text to numbers and back, by characters, by words, by BPE.

What you will see: an English and a Chinese sentence cut in three ways, with their ids; what happens to words and
characters that training never saw; the special tokens; what a larger vocabulary buys.

What to try: --sentence with one of your own, with a word that you make up, or in a third script, and see which of
the three loses it.
"""
import argparse
import time

import numpy as np

from tinyllm.data.batches import pad
from tinyllm.data.builtin import documentation
from tinyllm.text import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, BPETokenizer, CharTokenizer, WordTokenizer

ENGLISH = "The function returns a list of names."
CHINESE = "小猫看着月亮，月亮也看着小猫。"
CHINESE_TEXT = """春天的早晨，小猫坐在窗边看着院子。院子里有一棵树，树上有一只小鸟。
小鸟看着小猫，小猫也看着小鸟。晚上，月亮出来了，小猫还坐在窗边，看着月亮。
月亮很亮，院子很安静。小猫说：月亮，你也在看着我吗？
"""  # learnt beside the English documentation that every Python carries
UNSEEN = "The function returns a zymurgy 🐱龙."


def shown(text):
    """A token so that its spaces and line breaks are seen."""
    return text.replace(" ", "_").replace("\n", "\\n")


def token_texts(tokenizer, ids):
    """What each id stands for; bytes that are no whole character as <e7>."""
    texts = []
    for i in ids:
        if i < len(SPECIAL_TOKENS):
            texts.append(SPECIAL_TOKENS[i])
        elif isinstance(tokenizer, BPETokenizer):
            try:
                texts.append(tokenizer.strings[i].decode())
            except UnicodeDecodeError:
                texts.append("".join(f"<{byte:02x}>" for byte in tokenizer.strings[i]))
        else:
            texts.append(tokenizer.decode([i]))
    return [shown(text) for text in texts]


def three_ways(title, sentence, tokenizers):
    print(f"\n{title}: {sentence}\n{len(sentence)} characters, {len(sentence.encode())} bytes in UTF-8")
    for name, tokenizer in tokenizers.items():
        ids = tokenizer.encode(sentence)
        back = tokenizer.decode(ids)
        print(f"\n  {name}: {len(ids)} tokens   {' | '.join(token_texts(tokenizer, ids))}")
        print(f"     ids {' '.join(str(i) for i in ids)}")
        if back == sentence:
            print("     decode(encode(sentence)) is the sentence again")
        else:
            lost = ", ".join(repr(piece) for piece in tokenizer.unknown(sentence))
            print(f"     decode gives {back!r}: lost is {lost}")


def special_tokens(tokenizer):
    print("\nSpecial tokens: " + ", ".join(f"{name} = {i}" for i, name in enumerate(SPECIAL_TOKENS)))
    print("Sentences of different length become one array: marked at both ends, the short one filled up.\n")
    rows = [np.concatenate([[BOS], tokenizer.encode(s), [EOS]]) for s in ("a list of names", "names")]
    ids, valid = pad(rows, PAD)
    for row, real in zip(ids, valid):
        print(f"  ids {row}   real {real.astype(int)}   {' | '.join(token_texts(tokenizer, row))}")
    forged = token_texts(tokenizer, tokenizer.encode("<eos>"))
    print(f"\n  No text can forge one: \"<eos>\" written in a text is {' | '.join(forged)}, not the id {EOS}.")


def vocabulary_against_length(text, sizes):
    """How many tokens the training text becomes: the price and the gain of a larger vocabulary."""
    print(f"""
Vocabulary against length, over all {len(text):,} characters of the text.  Each id needs a row in the embedding
and in the output layer, each token needs a step of the model: one grows as the other shrinks.

              vocabulary     tokens   characters a token   unknown   seconds to train""")
    kinds = [(CharTokenizer, None), (WordTokenizer, 1000), (WordTokenizer, 3000), (WordTokenizer, None),
             *((BPETokenizer, size) for size in sizes)]
    for kind, size in kinds:
        start = time.perf_counter()
        tokenizer = kind.train(text, vocab_size=size)
        seconds = time.perf_counter() - start
        ids = tokenizer.encode(text)
        print(f"  {kind.type:6s} {tokenizer.vocab_size:14,d} {len(ids):11,d} {len(text) / len(ids):15.2f}"
              f" {np.mean(ids == UNK):16.1%} {seconds:13.1f}")


def main():
    parser = argparse.ArgumentParser(description="Preprocessing: characters, words, BPE (chapter 3.1).")
    parser.add_argument("--sentence", help="one more sentence to cut in three ways")
    parser.add_argument("--sizes", type=int, nargs="+", default=[260, 500, 1000, 2000, 4000],
                        help="vocabularies of BPE to compare (260 500 1000 2000 4000)")
    args = parser.parse_args()
    text = documentation()[0] + CHINESE_TEXT
    tokenizers = {
        "characters": CharTokenizer.train(text),
        "words": WordTokenizer.train(text, vocab_size=3000),
        "BPE": BPETokenizer.train(text, vocab_size=2000)}
    print(f"Trained on {len(text):,} characters: Python's documentation and a few lines of Chinese.\nVocabularies: "
          + ", ".join(f"{name} {tokenizer.vocab_size:,}" for name, tokenizer in tokenizers.items()))
    three_ways("English", ENGLISH, tokenizers)
    three_ways("Chinese", CHINESE, tokenizers)
    chinese = BPETokenizer.train(CHINESE_TEXT)
    ids = chinese.encode(CHINESE)
    print(f"     BPE merges what is frequent, and three lines among so much English are not: single bytes remain."
          f"\n     Trained on those lines alone: {len(ids)} tokens   {' | '.join(token_texts(chinese, ids))}")
    three_ways("With a word, a cat and a dragon that training never saw", UNSEEN, tokenizers)
    if args.sentence:
        three_ways("Yours", args.sentence, tokenizers)
    special_tokens(tokenizers["words"])
    vocabulary_against_length(text, args.sizes)


if __name__ == "__main__":
    main()
