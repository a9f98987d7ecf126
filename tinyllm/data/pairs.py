"""Files -> pairs of source and target, for translation, answers and summaries; each remembers where it stood.

    source TAB target          further columns are further targets, any of which is right
    two files                  line by line
    CSV with a header, JSON Lines      whose fields are picked by name
    bAbI                       story and question -> answer

An error is one sentence: file, line, what was expected and what is there.
"""
from typing import NamedTuple

from tinyllm.checked_json import brief
from tinyllm.data.babi import babi_rows, is_babi, is_babi_without_beginning
from tinyllm.data.readers import file_list, read_record_lines
from tinyllm.data.tables import FORMATS, check_choice, check_picks, checked_rows, format_by_name, table_rows

NAMES = ("source", "target")


class Pair(NamedTuple):
    """targets is a tuple of at least one, no text with white space around it.

    where  "file:line", of the source where there are two files
    """

    source: str
    targets: tuple
    where: str


def read_pairs(files, format=None, fields=None, columns=None, errors="strict"):
    """The Pairs of one file or of several, one after the other, as a list.

    format   "tsv", "csv", "jsonl", "babi"; "lines": two files, sources and targets.  None: for each file as
             its name ends (.csv, .jsonl, with or without .gz), else "babi" where it looks like it, else
             "tsv"; but two files that are none of these, with no TAB in their first lines, are "lines"
    fields   which fields of a CSV or of JSON Lines: (source, target), further ones are further targets
    columns  which columns of a TSV, from 1, in the same way; None: all of them
    errors   as in read_text

    Raises ValueError at the first bad line, for a file without records and as read_text; OSError as it comes.
    """
    check_choice("read_pairs", NAMES, FORMATS["seq2seq"], format, fields, columns, further=True)
    files = file_list("read_pairs", files)
    lines = [read_record_lines(path, errors) for path in files]
    if columns is not None and format is None:
        format = "tsv"
    formats = [format or format_by_name(path) or _by_content(path, own) for path, own in zip(files, lines)]
    if formats == [None, None]:
        formats = ["lines", "lines"]
    elif set(formats) == {None}:
        raise ValueError(f"{files[0]}:1: expected source TAB target, got one field, {brief(lines[0][0])} "
                         f"(or two line-aligned files, sources and targets, got {len(files)})")
    if "lines" in formats:
        check_picks(files[0], "lines", fields, columns)
        return [_pair(f"{files[0]}:{line}", *texts) for line, *texts in _aligned_rows(files, lines)]
    pairs = []
    for path, own, kind in zip(files, lines, formats):
        if kind == "babi":
            check_picks(path, kind, fields, columns)
            rows = checked_rows(path, babi_rows(path, own), NAMES)
        else:
            rows = table_rows(path, own, kind or "tsv", NAMES, fields, columns, further=True)
        pairs += [_pair(f"{path}:{line}", *texts) for line, texts in rows]
    return pairs


def _pair(where, source, *targets):
    """The texts without white space around them: a model would take that for words, and predict gives none."""
    return Pair(source.strip(), tuple(target.strip() for target in targets), where)


def _by_content(path, lines):
    """"babi" or "tsv" by what stands there, None for lines that could be one side of line-aligned files."""
    if is_babi(lines):
        return "babi"
    if is_babi_without_beginning(lines):
        raise ValueError(f"{path}:1: a bAbI file must begin with a statement of ID 1, got {brief(lines[0])}")
    return "tsv" if "\t" in lines[0] else None


def _aligned_rows(files, lines):
    """(line, source, target): each file is a table of one column."""
    if len(files) != 2:
        raise ValueError(f"read_pairs: format lines takes two files, sources and targets, got {len(files)}")
    if len(lines[0]) != len(lines[1]):
        raise ValueError(f"{files[0]} and {files[1]}: must have the same number of lines, "
                         f"got {len(lines[0])} and {len(lines[1])}")
    sides = [checked_rows(path, ((number, [line]) for number, line in enumerate(own, 1)), [name])
             for path, own, name in zip(files, lines, NAMES)]
    for (line, [source]), (_, [target]) in zip(*sides):
        yield line, source, target
