"""Tagging: tokens in, a BIO tag for each out, and with them the entities."""
import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.data.labelled import read_tagged
from tinyllm.metrics.entity_f1 import bio_constraints, entity_f1
from tinyllm.models import Tagger
from tinyllm.tasks import stored, supervised, vocabularies
from tinyllm.tasks.inputs import Inputs, in_batches

UNIT = "tokens"


def read(files, settings):
    """Tagged sentences; ValueError names file and line of a bad one."""
    return read_tagged(files, columns=settings["columns"], errors=settings["errors"])


def make_tokenizer(records, settings, pretrained):
    """Of the training data's tokens, or the pretrained model's; with features where settings ask for them."""
    return vocabularies.make_tokenizer([record.tokens for record in records], settings, pretrained)


def describe(records):
    """The tags: O first, then B- and I- of each type in order."""
    types = sorted({tag[2:] for record in records for tag in record.tags if tag != "O"})
    if not types:
        raise ValueError(f"{records[0].where}: tag needs at least one entity in the training data, got none")
    return {"tags": ["O", *(prefix + kind for kind in types for prefix in ("B-", "I-"))]}


def check_dev(dev, about):
    """Raise ValueError at the first tag that the training data never had."""
    known = set(about["tags"])
    for record in dev:
        for tag in record.tags:
            if tag not in known:
                raise ValueError(f"{record.where}: the sentence has a tag that the training data never had: {tag!r}")


def model_config(settings, tokenizer, about):
    return {**vocabularies.encoder_config(settings, tokenizer), "num_tags": len(about["tags"]), "crf": settings["crf"]}


def make_model(config, rng):
    return Tagger(**config, rng=rng)


def transfer(model, pretrained):
    """The names taken over and the names new."""
    return supervised.transfer(model, pretrained, "encoder")


class Task(supervised.EncoderTask):
    """The tagger's batches, loss and evaluation."""

    def __init__(self, tokenizer, records, dev, settings, about, rng):
        trained = TrainedTagger(None, tokenizer, about["tags"], settings["max_len"])
        examples, self.tags = trained.examples(records)
        self.remarks, self.dev = [], dev
        super().__init__(trained, examples, settings, sum(len(record.tokens) for record in dev or []), rng)

    def loss(self, batch, rng):
        ids, valid, features = self.batch(batch, rng)
        tags = np.zeros(ids.shape, np.int32)
        tags[valid] = np.concatenate([self.tags[i] for i in batch])
        return self.model.loss(ids, tags, valid, features, rng=rng)

    def targets_in(self, batch):
        return sum(len(self.tags[i]) for i in batch)

    def evaluate(self):
        """valid_loss (nats per token), precision, recall and f1 of entities."""
        if self.dev is None:
            return {}
        scores = self.trained.score(self.dev)
        return {"valid_loss": self.trained.nats(self.dev), **{name: scores[name] for name in (
            "precision", "recall", "f1")}}


def load(run):
    """The tagger of a run folder.

    Raises RunFolderError for files that do not describe one.
    """
    model, about, tokenizer, max_len = stored.trained(run, make_model)
    return TrainedTagger(model, tokenizer, about["tags"], max_len, run.config)


class TrainedTagger:
    """What `tinyllm.load(RUN)` gives for a tagger."""

    task = "tag"

    def __init__(self, model, tokenizer, tags, max_len, config=None):
        self.model, self.tokenizer, self.tags, self.config = model, tokenizer, tags, config
        self.inputs, self.allowed = Inputs(tokenizer, max_len), bio_constraints(tags)

    def tag(self, sentences):
        """Lists of tokens, none empty -> lists of tags that are BIO; a sentence longer than max_len is read in pieces
        of that length, each by itself."""
        pieces = [(number, piece) for number, sentence in enumerate(sentences) for piece in self._pieces(sentence)]
        inputs, paths = [self.inputs.of_tokens(piece) for _, piece in pieces], [None] * len(pieces)
        with no_grad():
            for batch in in_batches([len(each.ids) for each in inputs]):
                ids, valid, features = Inputs.batch([inputs[i] for i in batch])
                for i, path in zip(batch, self.model.decode(ids, valid, features, allowed=self.allowed)):
                    paths[i] = path
        result = [[] for _ in sentences]
        for (number, _), path in zip(pieces, paths):
            result[number] += [self.tags[tag] for tag in path]
        return result

    def examples(self, records):
        """Inputs and arrays of tag numbers, one of each for every piece of a record; a piece begins an entity anew."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        inputs = [self.inputs.of_tokens(piece) for record in records for piece in self._pieces(record.tokens)]
        tags = [np.array([number[tag] for tag in (piece[0].replace("I-", "B-", 1), *piece[1:])], np.int32)
                for record in records for piece in self._pieces(record.tags)]
        return inputs, tags

    def _pieces(self, sentence):
        """Its parts of max_len, the last one shorter."""
        size = self.inputs.max_len
        return [sentence[begin:begin + size] for begin in range(0, len(sentence), size)]

    def predict(self, texts, pretokenized=False):
        """For each text a list of (token, tag); pretokenized: its tokens are separated by single spaces."""
        return [list(zip(each["tokens"], each["tags"])) for each in self.predictions(texts, pretokenized)]

    def predictions(self, texts, pretokenized=False):
        """For each text a dict: tokens, tags."""
        split = [[token for token in text.split(" ") if token] if pretokenized else
                 [token for token in self.tokenizer.split(text) if not token.isspace()] for text in texts]
        real = [i for i, sentence in enumerate(split) if sentence]
        result = [{"tokens": sentence, "tags": []} for sentence in split]
        for i, tags in zip(real, self.tag([split[i] for i in real])):
            result[i]["tags"] = tags
        return result

    @staticmethod
    def shown(prediction):
        """A line for each token, and an empty one."""
        return "".join(f"{token}\t{tag}\n" for token, tag in zip(prediction["tokens"], prediction["tags"]))

    def evaluate(self, *files, columns=None, errors="strict"):
        """precision, recall, f1 (0..1) of entities, by_type, over the files."""
        return self.score(read(files, {"columns": columns, "errors": errors}))

    def score(self, records):
        """The same over records."""
        return entity_f1([list(record.tags) for record in records],
                         self.tag([record.tokens for record in records])).as_dict()

    def nats(self, records):
        """Mean nats per token of the records' tags."""
        inputs, tags_of = self.examples(records)
        total = 0.0
        with no_grad():
            for batch in in_batches([len(each.ids) for each in inputs]):
                ids, valid, features = Inputs.batch([inputs[i] for i in batch])
                tags = np.zeros(ids.shape, np.int32)
                tags[valid] = np.concatenate([tags_of[i] for i in batch])
                total += self.model.loss(ids, tags, valid, features).item() * int(valid.sum())
        return total / sum(map(len, tags_of))
