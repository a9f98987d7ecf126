"""The tokens of a classifier or a tagger: the words or characters of the training data, and features of them."""
from tinyllm.checked_json import brief
from tinyllm.tasks.settings import BPE
from tinyllm.text import BPETokenizer, CharTokenizer
from tinyllm.text.featured import FeaturedTokenizer
from tinyllm.text.features import TokenFeatures, checked_kinds
from tinyllm.text.tokens import TokenVocabulary
from tinyllm.text.word import split_words


def make_tokenizer(texts, settings, pretrained=None):
    """A tokenizer of texts, or of lists of tokens, as the settings say.

    pretrained  the tokenizer of a pretrained model: it stays as it is, and gets features beside it
    """
    kind = settings["tokenizer"] if pretrained is None else pretrained.type
    split, kinds = isinstance(texts[0], list | tuple), feature_kinds(settings["features"], kind)
    if kind == "bpe":
        if split:
            raise ValueError("tag: the tokenizer must give whole tokens (char, token, word), got bpe")
        return pretrained or BPETokenizer.train(texts, vocab_size=settings["vocab_size"], default_size=BPE)
    if kind == "char" and split:
        _check_characters(texts, "--tokenizer char" if pretrained is None else "--from a model of characters")
    if pretrained is not None:
        tokenizer = pretrained
    elif kind == "char":
        tokenizer = CharTokenizer.train(["".join(text) for text in texts], vocab_size=settings["vocab_size"])
    else:
        texts = texts if split else [split_words(text) for text in texts]
        tokenizer, split = TokenVocabulary.train(texts, vocab_size=settings["vocab_size"]), True
    if not kinds:
        return FeaturedTokenizer(tokenizer, None)
    tokens = texts if split else [FeaturedTokenizer(tokenizer, None).split(text) for text in texts]
    features = TokenFeatures.train(tokens, _mode(kind), settings["min_count"], settings["max_features"], kinds)
    return FeaturedTokenizer(tokenizer, features if features.num_features else None)  # of few tokens none is kept


def feature_kinds(features, tokenizer):
    """The kinds of features that a setting asks for of tokens of a kind: a tuple, empty for none, as bpe has.

    features  None (True in older runs): the usual ones; False or (): none; else names of KINDS

    Raises ValueError for what is none of these.
    """
    usual = features is None or features is True
    if tokenizer == "bpe" and not usual and features:
        raise ValueError(f"features: must be left out with the tokenizer bpe, whose tokens have none, got "
                         f"{brief(features)}")
    if tokenizer == "bpe" or not usual and not features:
        return ()
    if not usual and not isinstance(features, list | tuple):
        raise ValueError(f"features: must be None, False or a list of kinds, got {brief(features)}")
    return checked_kinds("features", _mode(tokenizer), None if usual else features)


def check_features(settings, given):
    """Raise ValueError for kinds of features that tokens of settings["tokenizer"] do not have, and for numbers of
    features where there are none.

    given  the names of the settings that were asked for
    """
    if not feature_kinds(settings["features"], settings["tokenizer"]):
        for name in ("max_features", "min_count"):
            if name in given:
                raise ValueError(f"{name}: must be left out where tokens have no features"
                                 f"{' (those of bpe)' if settings['tokenizer'] == 'bpe' else ''}, got {settings[name]}")


def _mode(tokenizer):
    return "char" if tokenizer == "char" else "word"


def _check_characters(texts, option):
    """Raise ValueError where most tokens are longer than one character: each of them would be unknown."""
    tokens = [token for text in texts for token in text]
    longer = [token for token in tokens if len(token) > 1]
    if 2 * len(longer) > len(tokens):
        raise ValueError(f"tag: {option} expects tokens of one character, got {len(longer)} of {len(tokens)} that are "
                         f"longer, the first {brief(longer[0])}")


def encoder_config(settings, tokenizer):
    """The arguments of an Encoder."""
    return {"vocab_size": tokenizer.vocab_size, **{name: settings[name] for name in (
        "embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "cell", "dropout")},
        "bidirectional": True, "num_features": getattr(tokenizer, "num_features", 0)}
