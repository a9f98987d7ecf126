"""Tables in text: TSV, CSV with a header, JSON Lines.

A reader takes the lines of a file and gives rows: the number of the line where a record begins, and the texts
that were picked from it.  Every error names file and line.  `names` says what the texts are, ("label",
"text"), and `further` whether the last of them may come several times.
"""
import csv
import json
import math
import re
import sys

from tinyllm import checked_json
from tinyllm.checked_json import brief, first_of

FORMATS = {"classify": ("tsv", "csv", "jsonl"), "seq2seq": ("tsv", "lines", "csv", "jsonl", "babi")}  # tag has its own
_SURROGATE = re.compile("[\ud800-\udfff]")


def format_by_name(path):
    """"csv" or "jsonl" where the name of the file says so, else None."""
    name = str(path).removesuffix(".gz")
    return next((format for format in ("csv", "jsonl") if name.endswith("." + format)), None)


def check_choice(function, names, formats, format, fields, columns, further=False):
    """Raise ValueError where format is not one of formats, or what is picked does not fit the names."""
    if format not in (None, *formats):
        raise ValueError(f"{function}: format must be one of {', '.join(formats)}, got {format!r}")
    for argument, picked in (("fields", fields), ("columns", columns)):
        if picked is not None and (isinstance(picked, str) or len(picked) < len(names)
                                   or len(picked) > len(names) and not further):
            raise ValueError(f"{function}: {argument} must be {len(names)}{' or more' if further else ''}, "
                             f"one for {' and one for '.join(names)}, got {picked!r}")
    if columns is not None and not all(isinstance(column, int) and column > 0 for column in columns):
        raise ValueError(f"{function}: columns must be integers from 1, got {columns!r}")


def check_picks(path, format, fields, columns):
    """Raise ValueError where the file's format has no fields, or no columns, to pick from."""
    if columns is not None and format != "tsv":
        raise ValueError(f"{path}: --columns picks from a TSV, the file is read as {format}")
    if fields is not None and format not in ("csv", "jsonl"):
        raise ValueError(f"{path}: --fields picks from CSV or JSON Lines, the file is read as {format}")


def table_rows(path, lines, format, names, fields=None, columns=None, further=False):
    """The rows of a table of format "tsv", "csv" or "jsonl": (line, texts), at least one, no text empty."""
    check_picks(path, format, fields, columns)
    if format == "tsv":
        rows = _tsv_rows(path, lines, names, columns, further)
    else:
        rows = (_csv_rows if format == "csv" else _jsonl_rows)(path, lines, names, fields)
    return checked_rows(path, rows, names)


def checked_rows(path, rows, names):
    """The rows as they are.  Raises ValueError at a text of white space, and where there is no row."""
    line = None
    for line, texts in rows:
        if not all(map(str.strip, texts)):
            empty = next(i for i, text in enumerate(texts) if not text.strip())
            raise ValueError(f"{path}:{line}: the {names[min(empty, len(names) - 1)]} must not be empty, "
                             f"got {brief(texts[empty])}")
        yield line, texts
    if line is None:
        raise ValueError(f"{path}: the file has no records, expected {' and '.join(names)} in each")


def _tsv_rows(path, lines, names, columns, further):
    if columns is None:
        expected, least, most = " TAB ".join(names), len(names), math.inf if further else len(names)
    else:
        expected, least, most = f"{max(columns)} columns (--columns)", max(columns), math.inf
    for number, line in enumerate(lines, 1):
        texts = line.split("\t")
        if not least <= len(texts) <= most:
            hint = " (--columns picks some)" if len(texts) > most else ""
            raise ValueError(f"{path}:{number}: expected {expected}, got {_count(texts)}{hint}")
        yield number, texts if columns is None else [texts[column - 1] for column in columns]


def _count(texts):
    if texts in ([], [""]):
        return "an empty line"
    return f"one field, {brief(texts[0])}" if len(texts) == 1 else f"{len(texts)} fields"


def _csv_rows(path, lines, names, fields):
    reader, begin, header = csv.reader((line + "\n" for line in lines), strict=True), 1, None
    try:
        for row in _of_any_length(reader):
            if header is None:
                header = row
                _check_fields(f"{path}:1", names, fields, header)
                picked = [header.index(field) for field in fields]
            elif len(row) != len(header):
                raise ValueError(f"{path}:{begin}: expected {len(header)} fields as in the header, "
                                 f"got {_count(row)}")
            else:
                yield begin, [row[i] for i in picked]
            begin = reader.line_num + 1  # quoted texts may have several lines
    except csv.Error as error:
        raise ValueError(f"{path}:{begin}: not valid CSV ({error})") from None


def _of_any_length(reader):
    """The rows of a csv.reader, each text as long as it is: the file is in memory already.  The limit is the whole
    process's, so it is lifted for a row at a time."""
    while True:
        limit = csv.field_size_limit(sys.maxsize)
        try:
            row = next(reader, None)
        finally:
            csv.field_size_limit(limit)
        if row is None:
            return
        yield row


def _jsonl_rows(path, lines, names, fields):
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if not line:
            raise ValueError(f"{where}: expected a JSON object, got an empty line")
        record = checked_json.parse(line.encode(), where)
        _check_fields(where, names, fields, list(record))
        texts = [json.dumps(value) if isinstance(value, int) else value  # true and 1 as the file writes them
                 for value in map(record.get, fields)]
        for field, text in zip(fields, texts):
            if not isinstance(text, str):
                raise ValueError(f"{where}: {field} must be a string, an integer, true or false, got {brief(text)}")
            if _SURROGATE.search(text):
                raise ValueError(f"{where}: {field} must be Unicode text, got half of a surrogate pair in it")
        yield number, texts


def _check_fields(where, names, fields, present):
    """Raise ValueError where the fields to pick are not said, not there, or there twice."""
    wrong = [] if fields is None else [field for field in fields if present.count(field) != 1]
    if fields is None or wrong:
        expected = f"expected one field {wrong[0]!r}" if wrong else f"--fields must say which are {' and '.join(names)}"
        raise ValueError(f"{where}: {expected}, there are {first_of(present) or 'none'}")
