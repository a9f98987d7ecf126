"""Chapters 5.5 and 6.2 of the text, named entities in another library's tokens: how these are handed over.

What you will see: sentences whose entities are marked by position, cut by a tokenizer that is not tinyllm's;
the file that comes of it, a token and its tag on each line; a tagger that learns it in seconds; new sentences
handed over with their tokens, and again as bare text, which is cut elsewhere than the tagger has learnt.

What to try: one of these in place of stand_in below; the rest stays as it is.

    spaCy    nlp = spacy.blank("en");  [token.text for token in nlp(text) if not token.is_space]
    NLTK     nltk.download("punkt_tab");  nltk.word_tokenize(text)    it turns " into `` and '': turn back
    jieba    [token for token in jieba.cut(text) if not token.isspace()]    with sentences in Chinese
"""
import argparse
import re
import tempfile
from pathlib import Path

import numpy as np

import tinyllm
from tinyllm.tasks.supervised import finetune

SENTENCES = [
    "{per}'s train leaves {geo} at {tim}.", "{per} can't be in {geo} before {tim}.", "It wasn't {per}'s.",
    "At {tim}, {per} didn't call from {geo}.", "We saw {per} and {per} in {geo}.", "Isn't {geo} cold?",
    "{per} won't fly to {geo}, {per} won't either.", "Who's in {geo}? {per} was, on {tim}."]
WORDS = {
    "per": ["Anna", "Omar", "Mary Jones", "Li Wei", "Dr. Sato", "Tom", "Ivan Petrov", "Emma Stone", "Ali"],
    "geo": ["Oslo", "the U.S.", "New York", "Beijing", "Rome", "the U.K.", "Lima", "Cape Town", "Cairo"],
    "tim": ["9:30", "Monday", "10:15", "5 May 2024", "Sunday", "12:00", "1 June 1999", "Friday", "noon"]}
NEW = ["Olga's bus leaves Turin at 8:20.", "Uma Thorne can't be in Peru before 3 March 2011."]
TOKEN = re.compile(r"n't|'s|\w+?(?=n't)|(?:\w\.){2,}|Dr\.|\d+:\d\d|\w+|[^\w\s]")


def stand_in(text):
    """As English tokenizers do: can't -> ca n't, Anna's -> Anna 's, but U.S. and 9:30 stay whole."""
    return TOKEN.findall(text)


def drawn(rng):
    """A sentence, and (start, end, type) of each entity in it: what tools for marking texts give."""
    text, spans = "", []
    for part in re.split(r"(\{\w+\})", rng.choice(SENTENCES)):
        if part.startswith("{"):
            word = str(rng.choice(WORDS[part[1:-1]]))
            spans.append((len(text), len(text) + len(word), part[1:-1]))
            part = word
        text += part
    return text, spans


def bio(text, tokens, spans):
    """A tag for each token, by where it stands: B- begins an entity, I- goes on with it, O is outside."""
    tags, end = [], 0
    for token in tokens:
        start = text.index(token, end)
        end = start + len(token)
        inside = [(first, kind) for first, last, kind in spans if first <= start < last]
        tags.append(f"{'B' if inside[0][0] == start else 'I'}-{inside[0][1]}" if inside else "O")
    return tags


def write(path, sentences):
    """One token a line with its tag, an empty line after each sentence."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for text, spans in sentences:
            tokens = stand_in(text)
            file.writelines(f"{token}\t{tag}\n" for token, tag in zip(tokens, bio(text, tokens, spans)))
            file.write("\n")


def show(title, tagged):
    print(f"\n{title}\n")
    for sentence in tagged:
        print("  " + "  ".join(token if tag == "O" else f"{token}/{tag}" for token, tag in sentence))


def main():
    parser = argparse.ArgumentParser(description="Tokens of another library handed over (chapters 5.5, 6.2).")
    parser.add_argument("--sentences", type=int, default=400, help="how many to learn from (400)")
    parser.add_argument("--steps", type=int, default=150, help="of the training (150)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (0)")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        train, dev, run = Path(folder, "train.bio"), Path(folder, "dev.bio"), Path(folder, "run")
        for path, count in (train, args.sentences), (dev, 100):
            write(path, [drawn(rng) for _ in range(count)])
        first = train.read_text(encoding="utf-8").split("\n\n")[0]
        print(f"The first of {args.sentences} sentences in train.bio:\n\n{first}\n")
        print("tinyllm finetune tag --train train.bio --dev dev.bio --out run")
        result = finetune("tag", run, {
            "train": [str(train)], "dev": [str(dev)], "embed_dim": 32, "hidden_dim": 32, "num_heads": 2,
            "steps": args.steps, "evaluate_every": args.steps, "lr": 0.01, "average": 0.0, "seed": args.seed})
        print(f"  entities in dev.bio, other sentences with the same names: F1 {result['f1']:.0%}")
        tagger = tinyllm.load(run)
        show("tinyllm predict run new.txt --pretokenized, the tokens separated by single spaces:",
             tagger.predict([" ".join(stand_in(text)) for text in NEW], pretokenized=True))
        show("tinyllm predict run new.txt, the same sentences as bare text:", tagger.predict(NEW))
    print("\nNo name, place or time of these was in train.bio: affixes, shapes, neighbours speak for them.\n"
          "Bare text is cut another way: Olga/B-per cannot even be said where the token is Olga's.")


if __name__ == "__main__":
    main()
