"""tinyllm demo: pretrain, write, translate, judge, tag, each before and after, in about three minutes."""
import importlib.util
import shlex
import sys
from pathlib import Path

from tinyllm.cli.arguments import add_json, number, print_json

PROMPT = "The "
SHOWN = 3  # sentences of each kind
WIDTH = 60  # of what an untrained model makes of one


def add_arguments(parser):
    parser.add_argument("--out", metavar="FOLDER",
                        help="the folder to make (the first free of tinyllm-demo, -2, ...)")
    parser.add_argument("--minutes", type=number(float, above=0), default=3.0, metavar="M",
                        help="how long it takes in all, but for compiling")
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
    out = args.out or free_folder()

    def say(text="", end="\n"):
        stream = sys.stderr if args.json else sys.stdout
        encoding = stream.encoding or "utf-8"  # a terminal may lack Chinese
        print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, file=stream, flush=True)

    try:
        result = _tell(out, args.minutes, args.seed, say)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(str(stop) or f"interrupted; what was learnt so far is in {out}") from None
    if args.json:
        print_json(result)
    return 0


def _tell(out, minutes, seed, say):
    """All chapters and the end; the results."""
    from tinyllm.tasks.story import Story
    story = Story(out, minutes, seed)
    say(f"A language model and its uses, from nothing, in about {minutes:g} minutes.  "
        f"All of it goes to {out}.")
    language = _language(story, say)
    translation = _translation(story, say)
    sentiment = _sentiment(story, say)
    entities = _entities(story, say)
    _end(out, say, [
        ("go on with a text", "nats a character", f"{language['bar']:.2f} (counting)",
         f"{language['nats_per_char']:.2f}", language),
        ("English to Chinese", "BLEU", f"{translation['before']['bleu']:.1f} (untrained)",
         f"{translation['after']['bleu']:.1f}", translation),
        ("sentiment, few labels", "accuracy", f"{sentiment['before']['accuracy']:.2f} (from nothing)",
         f"{sentiment['after']['accuracy']:.2f}", sentiment),
        ("persons, places, times", "F1", f"{entities['before']['f1']:.2f} (untrained)",
         f"{entities['after']['f1']:.2f}", entities)])
    return {**language, "translation": translation, "sentiment": sentiment, "entities": entities}


def _language(story, say):
    from tinyllm.tasks.story import bar
    counted, train, held_out = bar()
    say("\n1. What comes next?\n")
    say(f"The text: Python's own documentation, {train:,} characters to learn from, {held_out:,} held out.")
    say(f"The bar: counting four characters at a time predicts the held-out part with {counted:.2f} nats a "
        "character.")
    say(f"Now a GRU with attention learns for {_seconds(story, 'language')}.\n")
    result = story.learn("language")
    reached = result["nats_per_char"]
    losses = ", ".join(f"{loss:.2f} (step {step})" for step, loss in story.losses("language"))
    verdict = "beats it:" if reached < counted else "has not reached it:"
    say(f"Held-out nats a character: {losses}\nThe bar was {counted:.2f}; the model {verdict} {reached:.2f}.")
    say(f"It writes:\n\n{PROMPT}", end="")
    model, text = story.learnt("language"), PROMPT
    for piece in model.stream(PROMPT, max_tokens=500, temperature=0.7, seed=story.seed):
        text += piece
        say(piece, end="")
    share = model.novel_share([text])
    say(f"\n\n{share:.0%} of its {model.piece} stand nowhere in the training text.")
    return {**result, "bar": counted, "text": text, "novel_share": share}


def _translation(story, say):
    say("\n2. English to Chinese\n")
    train, test = (story.examples("translation", part) for part in ("train", "test"))
    sources, references = zip(*[(pair.source, pair.targets[0]) for pair in test[:SHOWN]])
    say(f"The text: {len(train):,} pairs such as: {train[0].source} = {train[0].targets[0]}")
    say("Before it learns, an encoder and a decoder with attention make of three other sentences:\n")
    untrained = story.untrained("translation")
    before, first = untrained.score(test, beam=1), untrained.predict(sources, beam=1)
    for source, output in zip(sources, first):
        say(f"  {source}\n      {_short(output)}")
    say(f"\nThey learn for {_seconds(story, 'translation')}.\n")
    result = story.learn("translation")
    model = story.learnt("translation")
    after, last = model.score(test, beam=1), model.predict(sources, beam=1)
    for source, output, reference in zip(sources, last, references):
        right = "" if output == reference else f"   (right would be {reference})"
        say(f"  {source}\n      {output}{right}")
    say(f"\nBLEU on {len(test)} sentences that they have not seen: {before['bleu']:.1f} before, "
        f"{after['bleu']:.1f} now; {after['exact_match']:.0%} are right to the last character.")
    longest = max(range(SHOWN), key=lambda i: len(last[i]))
    written, read, weights = model.attention(sources[longest], last[longest])
    say("\nWhere the decoder looked most, writing the longest of them:\n")
    for place, (token, row) in enumerate(zip(written[:-1], weights), 1):
        say(f"  {place:2}  {token.strip()}  <-  {read[row.argmax()].strip()}")
    picture = _picture(story, say, written, read, weights)
    return {**result, "before": before, "after": after, "picture": picture,
            "sentences": [{"source": source, "reference": reference, "before": a, "after": b}
                          for source, reference, a, b in zip(sources, references, first, last)]}


def _picture(story, say, written, read, weights):
    """The path of the picture of the attention, None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from tinyllm.training.plot import plot_attention
    path = plot_attention(written, read, weights, story.run("translation") / "attention.png")
    say(f"\nThe whole of it is a picture: {path}")
    return str(path)


def _sentiment(story, say):
    say("\n3. Many sentences, few labels\n")
    few, test = (story.examples("sentiment", part) for part in ("train", "test"))
    say(f"Is it positive, negative or neutral?  There are {len(few)} sentences with labels, such as:\n"
        f"  {few[0].text}  ({few[0].label})")
    say(f"A classifier learns from them alone, for {_seconds(story, 'sentiment-from-nothing')}.\n")
    first = story.learn("sentiment-from-nothing")
    say(f"Now a language model reads sentences without labels, for {_seconds(story, 'words')}, and the same "
        f"classifier\nstarts from what it learnt, with the same {len(few)} labels and the same time.\n")
    pretrained, second = story.learn("words"), story.learn("sentiment")
    models = story.learnt("sentiment-from-nothing"), story.learnt("sentiment")
    before, after = (model.score(test) for model in models)
    say(f"Of {len(test)} sentences in other words and of other kinds {before['accuracy']:.0%} were right; "
        f"after reading {after['accuracy']:.0%} are.")
    labels = [model.predict([each.text for each in test]) for model in models]
    gained = [(each, wrong) for each, wrong, right in zip(test, *labels)
              if wrong != each.label == right][:SHOWN]
    if gained:
        say("Some of those that only reading got right:\n")
    for each, wrong in gained:
        say(f"  {each.text}  ({each.label}; before: {wrong})")
    return {**second, "labels": len(few), "before": before, "after": after,
            "seconds": round(first["seconds"] + pretrained["seconds"] + second["seconds"], 3),
            "sentences": [{"text": each.text, "label": each.label, "before": wrong, "after": each.label}
                          for each, wrong in gained]}


def _entities(story, say):
    say("\n4. Who, where, when?\n")
    few, test = (story.examples("entities", part) for part in ("train", "test"))
    shown = max(test[:20], key=lambda each: len(set(each.tags)))
    tokens, untrained = shown.tokens, story.untrained("entities")
    before, first = untrained.score(test), untrained.tag([tokens])[0]
    say(f"The text: {len(few)} sentences with persons, places and times tagged.\n"
        f"An untrained tagger says:\n\n  {_marked(tokens, first)}\n")
    say(f"One that starts from the same language model learns for {_seconds(story, 'entities')}.\n")
    result = story.learn("entities")
    model = story.learnt("entities")
    after, last = model.score(test), model.tag([tokens])[0]
    say(f"  {_marked(tokens, last)}\n")
    by_type = ", ".join(f"{kind} {scores['f1']:.2f}" for kind, scores in after["by_type"].items())
    say(f"F1 of entities in {len(test)} sentences with other names: {before['f1']:.2f} before, "
        f"{after['f1']:.2f} now ({by_type}).")
    return {**result, "before": before, "after": after,
            "sentence": {"tokens": tokens, "tags": shown.tags, "before": first, "after": last}}


def _marked(tokens, tags):
    """The sentence with its entities in brackets."""
    from tinyllm.metrics.entity_f1 import entities
    tokens = list(tokens)
    for kind, start, end in entities(tags):
        tokens[start] = f"[{tokens[start]}"
        tokens[end - 1] += f" {kind}]"
    return " ".join(tokens)


def _seconds(story, name):
    seconds = round(story.seconds(name))
    return f"{seconds} seconds" if seconds != 1 else "a second"


def _short(text):
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[:WIDTH] + " ..."


def _end(out, say, rows):
    """The table, and what to try next."""
    say(f"\n{'before':>63}{'after':>8}{'seconds':>9}")
    for name, figure, before, after, result in rows:
        say(f"{name:24}{figure:18}{before:>21}{after:>8}{result['seconds']:>9.0f}")
    out = Path(out)
    language, translation, sentiment, entities, test, plain = (shlex.quote(str(out / name)) for name in (
        "language", "translation", "sentiment", "entities", "data/translation.test.tsv", "data/text.en.txt"))
    say(f"""
All of it is in {out}: a run folder for each model, and data/ with what they learnt from.
What to try next:

  tinyllm generate {language} "A class" --temperature 0.5
  echo "My mother bought three hats yesterday." | tinyllm predict {translation}
  echo "The film was not boring at all." | tinyllm predict {sentiment} --json
  echo "Anna Thornley moved to Oslo on Monday." | tinyllm predict {entities}
  tinyllm evaluate {translation} {test}
  tinyllm pretrain {plain} --minutes 2 --out my-run
  tinyllm gradcheck gru attention""")
