"""Tagging: tokens in, a BIO tag for each out, and with them the entities."""
import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.checked_json import brief, first_of
from tinyllm.data.labelled import read_tagged
from tinyllm.metrics.corpus import check_strings
from tinyllm.metrics.entity_f1 import bio_constraints, entity_f1
from tinyllm.models import Tagger
from tinyllm.tasks import stored, supervised, vocabularies
from tinyllm.tasks.inputs import Inputs, in_batches
from tinyllm.tasks.settings import SELECT

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
        for i, tag in enumerate(record.tags):
            if tag not in known:
                raise ValueError(f"{record.where_is(i)}: the tag must be one of the training data's, "
                                 f"{first_of(about['tags'])}, got {brief(tag)}")


def model_config(settings, tokenizer, about):
    return {**vocabularies.encoder_config(settings, tokenizer), "num_tags": len(about["tags"]), "crf": settings["crf"]}


def make_model(config, rng):
    return Tagger(**config, rng=rng)


def transfer(model, pretrained):
    """The names taken over and the names new."""
    return supervised.transfer(model, pretrained, "encoder")


def padded_tags(tags, valid):
    """Arrays of tag numbers -> (B, T), 0 where not valid."""
    result = np.zeros(valid.shape, np.int32)
    result[valid] = np.concatenate(tags)
    return result


def _begun(tag):
    """The tag at the beginning of a piece: what goes on there begins there; a type may hold "I-" too, as POI-CITY."""
    return "B-" + tag[2:] if tag.startswith("I-") else tag


class Task(supervised.EncoderTask):
    """The tagger's batches, loss and evaluation."""

    def __init__(self, tokenizer, records, dev, settings, about, rng):
        trained = TrainedTagger(None, tokenizer, about["tags"], settings["max_len"])
        examples, self.tags = trained.examples(records)
        self.remarks, self.dev, self.dev_examples = [], dev, trained.examples(dev or [])
        super().__init__(trained, examples, settings, sum(len(record.tokens) for record in dev or []), rng)

    def loss(self, batch, rng):
        ids, valid, features = self.batch(batch, rng)
        return self.model.loss(ids, padded_tags([self.tags[i] for i in batch], valid), valid, features, rng=rng)

    def targets_in(self, batch):
        return sum(len(self.tags[i]) for i in batch)

    def evaluate(self):
        """valid_loss (nats per token), precision, recall and f1 of entities."""
        if self.dev is None:
            return {}
        scores = self.trained.score(self.dev, self.dev_examples)
        return {"valid_loss": scores["nats_per_token"],
                **{name: scores[name] for name in SELECT["tag"] if name != "valid_loss"}}


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
        paths = {}
        for batch, valid, scores in self._scored(self._inputs(sentences)):
            paths.update(zip(batch, self.model.paths_of(scores, valid, self.allowed)))
        return self._named(sentences, paths)

    def _scored(self, inputs):
        """(indices, valid (B, T), scores a Tensor (B, T, C)) of batches that together are all of the Inputs."""
        for batch in in_batches([len(each.ids) for each in inputs]):
            ids, valid, features = Inputs.batch([inputs[i] for i in batch])
            with no_grad():
                scores = self.model(ids, valid, features)
            yield batch, valid, scores

    def _inputs(self, sentences):
        """The Input of every piece of every sentence."""
        return [self.inputs.of_tokens(piece) for sentence in sentences for piece in self._pieces(sentence)]

    def _joined(self, sentences, of_pieces):
        """{number of a piece: array} -> a list for each sentence."""
        arrays = (of_pieces[i] for i in sorted(of_pieces))
        return [np.concatenate([next(arrays) for _ in self._pieces(sentence)]).tolist() for sentence in sentences]

    def _named(self, sentences, paths):
        """Paths of the pieces -> the tags of each sentence."""
        return [[self.tags[tag] for tag in path] for path in self._joined(sentences, paths)]

    def examples(self, records):
        """Inputs and arrays of tag numbers, one of each for every piece of a record; a piece begins an entity anew."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        inputs = self._inputs([record.tokens for record in records])
        tags = [np.array([number[tag] for tag in (_begun(piece[0]), *piece[1:])], np.int32)
                for record in records for piece in self._pieces(record.tags)]
        return inputs, tags

    def _pieces(self, sentence):
        """Its parts of max_len, the last one shorter."""
        size = self.inputs.max_len
        return [sentence[begin:begin + size] for begin in range(0, len(sentence), size)]

    def predict(self, texts, pretokenized=False):
        """For each text a list of (token, tag); pretokenized: its tokens are separated by single spaces."""
        return [list(zip(each["tokens"], each["tags"])) for each in self.predictions(texts, pretokenized)]

    def predictions(self, texts, pretokenized=False, probabilities=False):
        """For each text a dict: tokens, tags; with probabilities those of the tags, each whatever the others are."""
        check_strings("predict", "texts", texts)
        split = [[token for token in text.split(" ") if token] if pretokenized else
                 [token for token in self.tokenizer.split(text) if not token.isspace()] for text in texts]
        real = [i for i, sentence in enumerate(split) if sentence]
        result = [{"tokens": sentence, "tags": [], **({"probabilities": []} if probabilities else {})}
                  for sentence in split]
        sentences = [split[i] for i in real]
        paths, shares = {}, {}
        for batch, valid, scores in self._scored(self._inputs(sentences)):
            paths.update(zip(batch, self.model.paths_of(scores, valid, self.allowed)))
            for i, p in zip(batch, self.model.marginals_of(scores, valid) if probabilities else ()):
                shares[i] = p[np.arange(len(paths[i])), paths[i]]
        for i, tags in zip(real, self._named(sentences, paths)):
            result[i]["tags"] = tags
        for i, p in zip(real, self._joined(sentences, shares) if probabilities else ()):
            result[i]["probabilities"] = p
        return result

    @staticmethod
    def shown(prediction):
        """A line for each token, and an empty one."""
        return "".join(f"{token}\t{tag}\n" for token, tag in zip(prediction["tokens"], prediction["tags"]))

    def evaluate(self, *files, columns=None, errors="strict"):
        """precision, recall, f1 (0..1) of entities, by_type, nats per token, over the files."""
        return self.score(read(files, {"columns": columns, "errors": errors}))

    def score(self, records, examples=None):
        """The same over records; examples: what examples() makes of them, where that is known already."""
        check_dev(records, {"tags": self.tags})
        inputs, gold = examples or self.examples(records)
        paths, nats = {}, 0.0
        for batch, valid, scores in self._scored(inputs):
            paths.update(zip(batch, self.model.paths_of(scores, valid, self.allowed)))
            with no_grad():
                loss = self.model.loss_of(scores, padded_tags([gold[i] for i in batch], valid), valid)
            nats += loss.item() * int(valid.sum())
        named = self._named([record.tokens for record in records], paths)
        return {**entity_f1([list(record.tags) for record in records], named).as_dict(),
                "nats_per_token": nats / max(1, sum(len(each.ids) for each in inputs))}
