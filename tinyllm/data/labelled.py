"""Files -> texts with a label, and sentences with a tag for each token; each remembers where it stood.

    label TAB text           or CSV with a header, or JSON Lines, whose fields are picked by name
    token TAB tag            an empty line between sentences; tags are BIO; of more columns two are picked

An error is one sentence: file, line, what was expected and what is there.
"""
from typing import NamedTuple

from tinyllm.checked_json import brief
from tinyllm.data.readers import file_list, read_record_lines
from tinyllm.data.tables import FORMATS, check_choice, format_by_name, table_rows
from tinyllm.metrics.entity_f1 import check_bio
from tinyllm.text.tokens import is_token


class Labelled(NamedTuple):
    """where  "file:line" """

    label: str
    text: str
    where: str


class Tagged(NamedTuple):
    """A sentence: tokens and tags are tuples of one length.  where  "file:line" of its first token."""

    tokens: tuple
    tags: tuple
    where: str

    def where_is(self, index):
        """ "file:line" of one of its tokens: each has a line."""
        path, _, line = self.where.rpartition(":")
        return f"{path}:{int(line) + index}"


def read_labelled(files, format=None, fields=None, columns=None, errors="strict"):
    """The Labelled texts of one file or of several, one after the other, as a list.

    format   "tsv", "csv", "jsonl"; None: as the name ends (.csv, .jsonl, with or without .gz), else "tsv"
    fields   which fields of a CSV or of JSON Lines: (label, text)
    columns  which columns of a TSV, from 1: (label, text); None: it has these two
    errors   as in read_text

    Raises ValueError at the first bad line, for a file without records and as read_text; OSError as it comes.
    """
    names, records = ("label", "text"), []
    check_choice("read_labelled", names, FORMATS["classify"], format, fields, columns)
    for path in file_list("read_labelled", files):
        rows = table_rows(path, read_record_lines(path, errors), format or format_by_name(path) or "tsv",
                          names, fields, columns)
        records += [Labelled(label, text, f"{path}:{line}") for line, (label, text) in rows]
    return records


def read_tagged(files, columns=None, errors="strict"):
    """The Tagged sentences of one file or of several, one after the other, as a list.

    columns  which columns, from 1: (token, tag), separated by a TAB, or by spaces where a line has no TAB;
             None: it has these two, separated by a TAB
    errors   as in read_text

    Raises ValueError at the first bad line, at a tag that is not BIO, for a file without sentences and as
    read_text; OSError as it comes.
    """
    sentences = []
    check_choice("read_tagged", ("token", "tag"), (), None, None, columns)
    for path in file_list("read_tagged", files):
        own = list(_sentences(path, read_record_lines(path, errors), columns))
        if not own:
            raise ValueError(f"{path}: the file has no records, expected token TAB tag lines")
        sentences += own
    return sentences


def _sentences(path, lines, columns):
    same, follows = {}, set()  # one object for equal strings; pairs of tags seen to be BIO
    tokens, tags = [], []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip(" "):
            token, tag = _token_and_tag(f"{path}:{number}", line, columns)
            tokens.append(same.setdefault(token, token))
            tags.append(same.setdefault(tag, tag))
        elif tokens:
            first = number - len(tokens)
            if not follows.issuperset(zip(["O", *tags], tags)):
                if violation := check_bio(tags):
                    raise ValueError(f"{path}:{first + violation.index}: the tag {violation.reason}")
                follows.update(zip(["O", *tags], tags))
            yield Tagged(tuple(tokens), tuple(tags), f"{path}:{first}")
            tokens, tags = [], []


def _token_and_tag(where, line, columns):
    """The two texts of a line."""
    fields = line.split("\t")
    if columns is None:
        expected, fits = "token TAB tag", len(fields) == 2
    else:
        fields = fields if len(fields) > 1 else [field for field in line.split(" ") if field]
        expected, fits = f"{max(columns)} columns (--columns)", len(fields) >= max(columns)
    token, tag = [fields[column - 1] for column in columns or (1, 2)] if fits else ("", "")
    if not token or not tag:
        hint = " (--columns picks two)" if columns is None and len(line.split()) > 2 else ""
        raise ValueError(f"{where}: expected {expected}, got {brief(line)}{hint}")
    if not is_token(token):
        raise ValueError(f"{where}: the token must have no space or line break in it, got {brief(token)}")
    return token, tag
