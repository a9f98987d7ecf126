"""Labels and tags out of files: what is read, where it stood, and a sentence for every bad line."""
import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm.data.labelled import Labelled, Tagged, read_labelled, read_tagged
from tinyllm.data.tables import table_rows
from tinyllm.metrics.entity_f1 import check_bio

GOOD, BAD = ("good", "it is fine"), ("bad", "不好 \u2028 at all")
TAGGED = "Ann\tB-PER\nSmith\tI-PER\nin\tO\nNew\tB-LOC\nYork\tI-LOC\n"
CHARACTERS = st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, min_size=1).filter(str.strip)


@pytest.fixture
def write(tmp_path):
    """A file of this name and content, text or bytes -> its path."""
    def write(name, content):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return tmp_path / name
    return write


def plain(records):
    return [tuple(record[:-1]) for record in records]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["a.tsv", "a.txt.gz"])
def test_label_tab_text(write, name, mark, end):
    path = write(name, mark + end.join("\t".join(record) for record in (GOOD, BAD)) + end + end)
    assert read_labelled(path) == [Labelled(*GOOD, f"{path}:1"), Labelled(*BAD, f"{path}:2")]


def test_files_follow_each_other(write):
    first, second = write("a.tsv", "\t".join(GOOD)), write("b.tsv", "\t".join(BAD))
    assert read_labelled([first, str(second)]) == [
        Labelled(*GOOD, f"{first}:1"), Labelled(*BAD, f"{second}:1")]


def test_columns_of_a_tsv(write):
    path = write("a.tsv", "1\tfine\tx\tgood\n2\tno\ty\tbad\tz\n")
    assert plain(read_labelled(path, columns=(4, 2))) == [("good", "fine"), ("bad", "no")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_by_field(write, name, end):
    """Quoted texts may have commas, quotes and several lines: a record is where it begins."""
    lines = ["\ufeffid,text,label", '1,"a, ""b""', '', 'c",good', '2,d,bad', '']
    path = write(name, end.join(lines))
    assert read_labelled(path, fields=("label", "text")) == [
        Labelled("good", 'a, "b"\n\nc', f"{path}:2"), Labelled("bad", "d", f"{path}:5")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_by_field(write, name):
    lines = [{"x": [1], "text": "a\tb\n\U0001f600", "label": "good"}, {"label": "bad", "text": "c"}]
    path = write(name, "\r\n".join(map(json.dumps, lines)))
    assert read_labelled(path, fields=("label", "text")) == [
        Labelled("good", "a\tb\n\U0001f600", f"{path}:1"), Labelled("bad", "c", f"{path}:2")]


def test_labels_that_are_no_strings_in_json(write):
    """As the file writes them."""
    lines = ['{"label": 1, "text": "a"}', '{"label": -20, "text": 7}', '{"label": true, "text": "c"}',
             '{"label": false, "text": "1"}']
    assert plain(read_labelled(write("a.jsonl", "\n".join(lines)), fields=("label", "text"))) == [
        ("1", "a"), ("-20", "7"), ("true", "c"), ("false", "1")]


def test_a_text_of_any_length_in_csv(write):
    """Longer than the csv module takes by default, whose own limit stays as it was."""
    limit, long = csv.field_size_limit(), "word " * 60_000
    path = write("a.csv", f'label,text\ngood,"{long}"\n')
    assert plain(read_labelled(path, fields=("label", "text"))) == [("good", long)]
    with pytest.raises(ValueError, match="a.csv:2: not valid CSV"):
        read_labelled(write("a.csv", 'label,text\ngood,"x"y\n'), fields=("label", "text"))
    assert csv.field_size_limit() == limit
    rows = table_rows("a.csv", ["label,text", f"good,{long}", "bad,no"], "csv", ("label", "text"), ("label", "text"))
    assert next(rows) == (2, ["good", long]) and csv.field_size_limit() == limit  # between two rows too


def test_format_says_more_than_the_name(write):
    assert plain(read_labelled(write("a.jsonl", "good\tfine"), format="tsv")) == [("good", "fine")]
    path = write("a.txt", "a,b\ngood,fine")
    assert plain(read_labelled(path, format="csv", fields=["a", "b"])) == [("good", "fine")]


@given(records=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, records):
    """In each format, whatever the texts are."""
    folder, table, names = tmp_path_factory.mktemp("x"), io.StringIO(), ("label", "text")
    csv.writer(table, lineterminator="\n").writerows([names, *records])
    for name, text in [
            ("a.tsv", "".join("\t".join(record) + "\n" for record in records)), ("a.csv", table.getvalue()),
            ("a.jsonl", "".join(json.dumps(dict(zip(names, record))) + "\n" for record in records))]:
        (folder / name).write_bytes(text.encode())
        read = read_labelled(folder / name, fields=None if name == "a.tsv" else names)
        # a mark at the very start of a file is its byte-order mark
        assert plain(read) == (records if not text.startswith("\ufeff") else [
            (records[0][0].removeprefix("\ufeff"), records[0][1]), *records[1:]])


@pytest.mark.parametrize("name, content, options, message", [
    ("a.tsv", "good\tfine\nalone\n", {}, "a.tsv:2: expected label TAB text, got one field, 'alone'"),
    ("a.tsv", "good\tfine\n\nbad\tno\n", {}, "a.tsv:2: expected label TAB text, got an empty line"),
    ("a.tsv", "a\tb\tc", {}, r"a.tsv:1: expected label TAB text, got 3 fields \(--columns picks some\)"),
    ("a.tsv", "a\tb", {"columns": (1, 3)}, r"a.tsv:1: expected 3 columns \(--columns\), got 2 fields"),
    ("a.tsv", "good\t \u3000\n", {}, r"a.tsv:1: the text must not be empty, got ' \\u3000'"),
    ("a.tsv", "\tfine\n", {}, "a.tsv:1: the label must not be empty, got ''"),
    ("a.tsv", "good\t" + "x" * 999 + "\ty", {}, "expected label TAB text, got 3 fields"),
    ("a.tsv", "x" * 999, {}, r"a.tsv:1: .* got one field, 'x{12}\.\.\.x{13}'$"),
    ("a.tsv", b"good\tfine\nbad\t\xff\n", {}, r"a.tsv: not UTF-8 at byte 14 \(0xff\)"),
    ("a.tsv", "", {}, "a.tsv: the file is empty"),
    ("a.tsv", "\n\n", {}, "a.tsv: the file has no records"),
    ("a.tsv", "a\tb", {"fields": ("a", "b")}, "a.tsv: --fields picks from CSV or JSON Lines, .* read as tsv"),
    ("a.csv", "a,b", {"columns": (1, 2)}, "a.csv: --columns picks from a TSV, the file is read as csv"),
    ("a.csv", "a,b\n1,2", {}, "a.csv:1: --fields must say which are label and text, there are 'a', 'b'"),
    ("a.csv", "a,b\n1,2", {"fields": ("a", "c")}, "a.csv:1: expected one field 'c', there are 'a', 'b'"),
    ("a.csv", "a,b,b\n1,2,3", {"fields": ("a", "b")}, "expected one field 'b', there are 'a', 'b', 'b'"),
    ("a.csv", "a;b\n1;2", {"fields": ("a", "b")}, "a.csv:1: expected one field 'a', there are 'a;b'"),
    ("a.csv", "a,b\n", {"fields": ("a", "b")}, "the file has no records, expected label and text in each"),
    ("a.csv", 'a,b\n"x\ny",z\nalone\n', {"fields": ("a", "b")},
     "a.csv:4: expected 2 fields as in the header, got one field, 'alone'"),
    ("a.csv", "a,b\n1,2\n\n3,4", {"fields": ("a", "b")}, "a.csv:3: expected 2 fields .* got an empty line"),
    ("a.csv", 'a,b\n1,"x\n\ny"\n2,"never\nends\n', {"fields": ("a", "b")},
     "a.csv:5: not valid CSV .unexpected end"),
    ("a.csv", 'a,b\n1,"x"y\n', {"fields": ("a", "b")}, "a.csv:2: not valid CSV "),
    ("a.csv", "a,b\n1,\n", {"fields": ("a", "b")}, "a.csv:2: the text must not be empty, got ''"),
    ("a.jsonl", '{"a": "1"}', {}, "a.jsonl:1: --fields must say which are label and text, there are 'a'"),
    ("a.jsonl", '{"a": "1", "b": "2"}\n{"a": "3"}', {"fields": ("a", "b")},
     "a.jsonl:2: expected one field 'b', there are 'a'"),
    ("a.jsonl", '{"a": "1", "b": ', {"fields": ("a", "b")}, "a.jsonl:1: not valid JSON"),
    ("a.jsonl", '["a", "b"]', {"fields": ("a", "b")}, "a.jsonl:1: must hold a JSON object, got list"),
    ("a.jsonl", "[" * 99999, {"fields": ("a", "b")}, "a.jsonl:1: JSON nested deeper"),
    ("a.jsonl", '{"a": 1.5, "b": "2"}', {"fields": ("a", "b")},
     "a.jsonl:1: a must be a string, an integer, true or false, got 1.5"),
    ("a.jsonl", '{"a": null, "b": "2"}', {"fields": ("a", "b")}, "a must be a string, .* got nothing"),
    ("a.jsonl", '{"a": ["x"], "b": "2"}', {"fields": ("a", "b")}, r"a must be a string, .* got \['x'\]"),
    ("a.jsonl", '{"a": "x", "b": "\\ud83d"}', {"fields": ("a", "b")},
     "a.jsonl:1: b must be Unicode text, got half of a surrogate pair"),
    ("a.jsonl", '{"a": "x", "b": "y"}\n\n{"a": "x", "b": "y"}', {"fields": ("a", "b")},
     "a.jsonl:2: expected a JSON object, got an empty line"),
    ("a.tsv", "a\tb", {"format": "babi"}, "read_labelled: format must be one of tsv, csv, jsonl, got 'babi'"),
    ("a.tsv", "a\tb", {"columns": (1, 0)}, r"read_labelled: columns must be integers from 1, got \(1, 0\)"),
    ("a.tsv", "a\tb", {"columns": (1, 2, 3)}, "columns must be 2, one for label and one for text, got .1, 2"),
    ("a.csv", "a,b", {"fields": "ab"}, "fields must be 2, one for label and one for text, got 'ab'"),
])
def test_bad_labels_are_named(write, name, content, options, message):
    with pytest.raises(ValueError, match=message) as error:
        read_labelled(write(name, content), **options)
    assert "\n" not in str(error.value)


def test_replace_goes_on(write):
    assert plain(read_labelled(write("a.tsv", b"good\ta\xff"), errors="replace")) == [("good", "a\ufffd")]
    assert plain(read_tagged(write("a.bio", b"a\xff\tO"), errors="replace")) == [(("a\ufffd",), ("O",))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.bio", "a.bio.gz"])
def test_token_tab_tag(write, name, end):
    """One empty line or several, with spaces in them too, end a sentence; so does the end of the file."""
    path = write(name, ("\ufeff\n" + TAGGED + "\n \n" + TAGGED.removesuffix("\n")).replace("\n", end))
    tokens, tags = zip(*(line.split("\t") for line in TAGGED.splitlines()))
    assert read_tagged(path) == [Tagged(tokens, tags, f"{path}:2"), Tagged(tokens, tags, f"{path}:9")]
    assert len(read_tagged([path, path])) == 4


@pytest.mark.parametrize("text", [
    "EU\tNNP\tI-NP\tB-ORG\nsays\tVBZ\tI-VP\tO\n\nWell\tUH\tO\tO\n",
    "EU NNP I-NP B-ORG\nsays  VBZ I-VP  O \n\nWell UH O O\n"])
def test_columns_of_tagged_lines(write, text):
    """As CoNLL has them, separated by TABs or by spaces, more than two."""
    path = write("a.conll", text)
    assert read_tagged(path, columns=(1, 4)) == [
        Tagged(("EU", "says"), ("B-ORG", "O"), f"{path}:1"), Tagged(("Well",), ("O",), f"{path}:4")]
    assert read_tagged(write("b.conll", "B-ORG\tEU\n"), columns=(2, 1))[0].tokens == ("EU",)
    with pytest.raises(ValueError, match=r"a.conll:1: expected 5 columns \(--columns\), got 'EU"):
        read_tagged(path, columns=(1, 5))
    with pytest.raises(ValueError, match=r"a.conll:1: expected token TAB tag, got 'EU.*' \(--columns picks two\)$"):
        read_tagged(path)
    with pytest.raises(ValueError, match="columns must be 2, one for token and one for tag, got .1, 2, 3"):
        read_tagged(path, columns=(1, 2, 3))


@given(tags=st.lists(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), min_size=1, max_size=5),
                     min_size=1, max_size=6))
def test_tags_are_read_if_they_are_bio(tmp_path_factory, tags):
    """The first one that is not is named, however many sentences were right before."""
    path = tmp_path_factory.mktemp("x") / "a.bio"
    path.write_text("\n".join("".join(f"x\t{tag}\n" for tag in each) for each in tags), "utf-8")
    violations = [check_bio(each) for each in tags]
    if not any(violations):
        assert [record.tags for record in read_tagged(path)] == [tuple(each) for each in tags]
        return
    wrong = next(i for i, violation in enumerate(violations) if violation)
    line = sum(len(each) + 1 for each in tags[:wrong]) + violations[wrong].index + 1
    with pytest.raises(ValueError) as error:
        read_tagged(path)
    assert str(error.value) == f"{path}:{line}: the tag {violations[wrong].reason}"


@pytest.mark.parametrize("content, message", [
    ("a\tO\nalone\n", "a.bio:2: expected token TAB tag, got 'alone'"),
    ("a\tO\n\tO\n", r"a.bio:2: expected token TAB tag, got '\\tO'"),
    ("a\t\n", r"a.bio:1: expected token TAB tag, got 'a\\t'"),
    ("\t\n", r"a.bio:1: expected token TAB tag, got '\\t'"),
    ("a\tNN\tO\n", r"a.bio:1: expected token TAB tag, got 'a\\tNN\\tO'"),
    ("a\tO\nNew York\tB-LOC\n", "a.bio:2: the token must have no space or line break in it, got 'New York'"),
    ("a\tO\nb\rc\tO\n", r"a.bio:2: the token must have no space or line break in it, got 'b\\rc'"),
    ("a\tO\n\nb\tO\nc\tPER\n", "a.bio:4: the tag must be O, B-type or I-type, got 'PER'"),
    ("a\tB-PER\nb\tI-LOC\n", "a.bio:2: the tag I-LOC must come after B-LOC or I-LOC, got it after B-PER"),
    ("a\tB-PER\n\nb\tI-PER\n", "a.bio:3: the tag I-PER must come .* got it at the beginning of a sentence"),
    ("\n\n", "a.bio: the file has no records, only empty lines"),
    ("  \n", "a.bio: the file has no records, expected token TAB tag lines"),
    ("", "a.bio: the file is empty"),
])
def test_bad_tags_are_named(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_tagged(write("a.bio", content))
