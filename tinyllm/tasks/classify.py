"""Classification: a text in, one of a few labels out, with probabilities."""
from collections import Counter

import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.checked_json import brief, first_of
from tinyllm.data.labelled import read_labelled
from tinyllm.metrics.accuracy import accuracy
from tinyllm.metrics.corpus import check_strings
from tinyllm.models import Classifier
from tinyllm.tasks import stored, supervised, vocabularies
from tinyllm.tasks.inputs import Inputs, in_batches, one_line
from tinyllm.tasks.settings import SELECT

UNIT = "texts"


def read(files, settings):
    """Labelled texts; ValueError names file and line of a bad one."""
    return read_labelled(files, format=settings["format"], fields=settings["fields"], columns=settings["columns"],
                         errors=settings["errors"])


def make_tokenizer(records, settings, pretrained):
    """Of the training texts, or the pretrained model's; with features of its tokens where settings ask for them."""
    return vocabularies.make_tokenizer([record.text for record in records], settings, pretrained)


def describe(records):
    """The labels, in order."""
    labels = sorted({record.label for record in records})
    if len(labels) < 2:
        raise ValueError(f"{records[0].where}: classify needs at least two labels, got only {labels[0]!r}")
    return {"labels": labels}


def check_dev(dev, about):
    """Raise ValueError at the first label that the training data never had."""
    known = set(about["labels"])
    for record in dev:
        if record.label not in known:
            raise ValueError(f"{record.where}: the label must be one of the training data's, "
                             f"{first_of(about['labels'])}, got {brief(record.label)}")


def _labels_of_one(records):
    """A sentence, in a list, where most texts have a label that no other has, as where columns are swapped."""
    alone = sum(number == 1 for number in Counter(record.label for record in records).values())
    return [f"{alone:,} of {len(records):,} training texts have a label that no other has: is it the label that comes "
            "first, then the text? (--columns 2,1 and --fields pick them)"] if 2 * alone > len(records) > 9 else []


def model_config(settings, tokenizer, about):
    return {**vocabularies.encoder_config(settings, tokenizer), "num_classes": len(about["labels"])}


def make_model(config, rng):
    return Classifier(**config, rng=rng)


def transfer(model, pretrained):
    """The names taken over and the names new."""
    return supervised.transfer(model, pretrained, "encoder")


class Task(supervised.EncoderTask):
    """The classifier's batches, loss and evaluation."""

    def __init__(self, tokenizer, records, dev, settings, about, rng):
        trained = TrainedClassifier(None, tokenizer, about["labels"], settings["max_len"])
        inputs = trained.inputs
        examples = [inputs.of_text(record.text) for record in records]
        self.remarks = _labels_of_one(records) + inputs.what_was_cut("training texts")
        self.dev, self.dev_inputs = dev, [inputs.of_text(record.text) for record in dev or []]
        self.remarks += inputs.what_was_cut("dev texts")
        self.labels = np.array([about["labels"].index(record.label) for record in records])
        super().__init__(trained, examples, settings, len(dev or []), rng)

    def loss(self, batch, rng):
        ids, valid, features = self.batch(batch, rng)
        return self.model.loss(ids, self.labels[batch], valid, features,
                               label_smoothing=self.settings["label_smoothing"], rng=rng)

    def targets_in(self, batch):
        return len(batch)

    def evaluate(self):
        """valid_loss (nats per text), accuracy, macro_f1."""
        if self.dev is None:
            return {}
        scores = self.trained.score(self.dev, self.dev_inputs)
        return {"valid_loss": scores["nats_per_text"],
                **{name: scores[name] for name in SELECT["classify"] if name != "valid_loss"}}


def load(run):
    """The classifier of a run folder.

    Raises RunFolderError for files that do not describe one.
    """
    model, about, tokenizer, max_len = stored.trained(run, make_model)
    return TrainedClassifier(model, tokenizer, about["labels"], max_len, run.config)


class TrainedClassifier:
    """What `tinyllm.load(RUN)` gives for a classifier."""

    task = "classify"

    def __init__(self, model, tokenizer, labels, max_len, config=None):
        self.model, self.tokenizer, self.labels, self.config = model, tokenizer, labels, config
        self.inputs = Inputs(tokenizer, max_len)

    def probabilities(self, texts):
        """An array (N, C), C labels in the order of .labels; texts none of which is empty."""
        check_strings("predict", "texts", texts)
        inputs = [self.inputs.of_text(text) for text in texts]
        if empty := [text for text, each in zip(texts, inputs) if not len(each.ids)]:
            raise ValueError(f"predict: a text must have at least one token, got {empty[0]!r}")
        return self._probabilities(inputs)

    def _probabilities(self, inputs):
        """The same of Inputs that are none of them empty."""
        result = np.empty((len(inputs), len(self.labels)))
        with no_grad():
            for batch in in_batches([len(each.ids) for each in inputs]):
                ids, valid, features = Inputs.batch([inputs[i] for i in batch])
                result[batch] = self.model.probabilities(ids, valid, features)
        return result

    def predict(self, texts):
        """The likeliest label of each text; "" for a text without a token."""
        return [each["label"] for each in self.predictions(texts)]

    def predictions(self, texts):
        """For each text a dict: text, label, probabilities (label -> 0..1); label "" for a text without a token."""
        check_strings("predict", "texts", texts)
        real = [i for i, text in enumerate(texts) if text.strip()]
        result = [{"text": text, "label": "", "probabilities": {}} for text in texts]
        if real:
            for i, row in zip(real, self.probabilities([texts[i] for i in real]).tolist()):
                result[i] |= {"label": self.labels[int(np.argmax(row))], "probabilities": dict(zip(self.labels, row))}
        return result

    @staticmethod
    def shown(prediction):
        """What stands on a line for it."""
        return one_line(prediction["label"])

    def evaluate(self, *files, format=None, fields=None, columns=None, errors="strict"):
        """accuracy and macro_f1 (0..1), confusion, nats per text, over the files."""
        return self.score(read(files, {"format": format, "fields": fields, "columns": columns, "errors": errors}))

    def score(self, records, inputs=None):
        """The same over records; inputs: what they are as Inputs, where that is known already."""
        check_dev(records, {"labels": self.labels})
        p = self.probabilities([record.text for record in records]) if inputs is None else self._probabilities(inputs)
        gold = [record.label for record in records]
        rows = np.array([self.labels.index(label) for label in gold])
        nats = -np.log(np.maximum(p[np.arange(len(rows)), rows], 1e-30)).mean()
        return {**accuracy(gold, [self.labels[i] for i in p.argmax(axis=1)]).as_dict(), "nats_per_text": float(nats)}
