"""Sources and targets out of files of every format, which one it is, and a sentence for every bad line."""
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyllm.data.labelled import read_tagged
from tinyllm.data.pairs import Pair, read_pairs

BABI = """1 Mary moved to the hall.
2 John got the milk. \n3 Where is Mary? \thall\t1
4 He got the football.
5 What is John carrying?\tmilk,football\t2 4
1 The office is east of the hall.
2 How do you go from the hall to the office? \te\t1
"""
ANSWERS = [
    ("Mary moved to the hall. John got the milk. Where is Mary?", ("hall",)),
    ("Mary moved to the hall. John got the milk. He got the football. What is John carrying?",
     ("milk,football",)),
    ("The office is east of the hall. How do you go from the hall to the office?", ("e",))]
LINES = [3, 5, 7]


@pytest.fixture
def write(tmp_path):
    """Files by name, text or bytes -> their paths."""
    def write(**files):
        for name, content in files.items():
            content = content if isinstance(content, bytes) else content.encode()
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return [tmp_path / name.replace("_", ".") for name in files]
    return write


def plain(records):
    return [tuple(record[:-1]) for record in records]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_source_tab_target(write, end):
    [path] = write(a_tsv=f"\ufeffa b\tA B{end}c\tC\tCC{end}")
    assert read_pairs(path) == [Pair("a b", ("A B",), f"{path}:1"), Pair("c", ("C", "CC"), f"{path}:2")]
    assert plain(read_pairs(path, columns=(2, 1))) == [("A B", ("a b",)), ("C", ("c",))]


def test_white_space_around_a_text_is_no_part_of_it(write):
    """In every format; inside it is."""
    texts = [("a  b", ("A", "AA")), ("c", ("C", "CC"))]
    tsv, csv, jsonl = write(a_tsv=" a  b\tA \t AA\nc \t\u3000C\tCC\n", a_csv='x,y,z\n"\na  b", A,AA \nc,C ,CC\n',
                            a_jsonl='{"x": "a  b\\n", "y": "A", "z": " AA"}\n{"x": "c", "y": "C", "z": "CC"}\n')
    assert plain(read_pairs(tsv)) == texts
    for path in (csv, jsonl):
        assert plain(read_pairs(path, fields=("x", "y", "z"))) == texts
    assert plain(read_pairs(write(b_en=" a  b\nc ", b_de="A \n C"))) == [("a  b", ("A",)), ("c", ("C",))]


def test_tables_follow_each_other(write):
    """Two of them too: each has a TAB in its first line."""
    files = write(a_tsv="a\tA\n", b_tsv_gz="b\tB\nc\tC\tCC")
    assert read_pairs(files) == [Pair("a", ("A",), f"{files[0]}:1"), Pair("b", ("B",), f"{files[1]}:1"),
                                 Pair("c", ("C", "CC"), f"{files[1]}:2")]


@pytest.mark.parametrize("format", [None, "lines"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_two_line_aligned_files(write, format, end):
    """A TAB further down is text."""
    files = write(a_en=end.join(["a", "b\tb", ""]), a_de_gz="A\nB")
    assert read_pairs(files, format) == [
        Pair("a", ("A",), f"{files[0]}:1"), Pair("b\tb", ("B",), f"{files[0]}:2")]


def test_fields(write):
    """Further ones are further targets."""
    rows = [{"q": "a\nb", "a": "A", "b": "B"}, {"q": "c", "a": "C", "b": "D"}]
    csv, jsonl = write(a_csv='q,b,a\n"a\nb",B,A\nc,D,C\n', a_jsonl="\n".join(map(json.dumps, rows)))
    assert read_pairs(csv, fields=("q", "a")) == [
        Pair("a\nb", ("A",), f"{csv}:2"), Pair("c", ("C",), f"{csv}:4")]
    assert plain(read_pairs([csv, jsonl], fields=("q", "a", "b"))) == 2 * [
        ("a\nb", ("A", "B")), ("c", ("C", "D"))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_babi(write, end):
    """A story begins at ID 1; earlier questions are no part of it; an answer of several words is one text."""
    files = write(a_txt=BABI.replace("\n", end), b_txt_gz=BABI)
    assert read_pairs(files[0]) == [Pair(*pair, f"{files[0]}:{line}") for pair, line in zip(ANSWERS, LINES)]
    assert plain(read_pairs(files)) == 2 * ANSWERS
    assert plain(read_pairs(files, format="babi")) == 2 * ANSWERS


@pytest.mark.parametrize("text, expected", [
    ("1 apple\tein Apfel\n2 apples\tzwei Äpfel\t3\n",
     [("1 apple", ("ein Apfel",)), ("2 apples", ("zwei Äpfel", "3"))]),
    ("1 Who?\tMary\t1\n", [("1 Who?", ("Mary", "1"))]),
])
def test_numbers_do_not_make_a_table_babi(write, text, expected):
    assert plain(read_pairs(write(a_tsv=text))) == expected


def test_numbers_do_not_make_lines_babi(write):
    assert plain(read_pairs(write(a_en="1 apple\n2 apples", a_de="1 Apfel\n2 Äpfel"))) == [
        ("1 apple", ("1 Apfel",)), ("2 apples", ("2 Äpfel",))]


@pytest.mark.parametrize("files, options, message", [
    ({"a_tsv": "a\tA\nalone"}, {}, "a.tsv:2: expected source TAB target, got one field, 'alone'"),
    ({"a_tsv": "a\tA\n\nb\tB"}, {}, "a.tsv:2: expected source TAB target, got an empty line"),
    ({"a_tsv": "a\tA\n \tB"}, {}, "a.tsv:2: the source must not be empty, got ' '"),
    ({"a_tsv": "a\tA\nb\t"}, {}, "a.tsv:2: the target must not be empty, got ''"),
    ({"a_tsv": "a\tA\t\n"}, {}, "a.tsv:1: the target must not be empty, got ''"),
    ({"a_tsv": "a\tA\tAA\nb\tB"}, {"columns": (1, 3)}, r"a.tsv:2: expected 3 columns .*, got 2 fields"),
    ({"a_tsv": "a\tA\n", "b_tsv": "b\n"}, {}, "b.tsv:1: expected source TAB target, got one field, 'b'"),
    ({"a_en": "a\nb\n", "a_de": "A\n"}, {}, "a.en and .*a.de: must have the same .* lines, got 2 and 1"),
    ({"a_en": "a\n\nc\n", "a_de": "A\n\nC\n"}, {}, "a.en:2: the source must not be empty, got ''"),
    ({"a_en": "a\nb\nc\n", "a_de": "A\n  \nC\n"}, {}, "a.de:2: the target must not be empty, got '  '"),
    ({"a_en": "a\n"}, {"format": "lines"}, "read_pairs: format lines takes two files, .* got 1"),
    ({"a_en": "a\n", "a_de": "A"}, {"fields": ("a", "b")}, "a.en: --fields picks from CSV .* read as lines"),
    ({"a_en": "a\n", "a_de": "A", "a_fr": "a"}, {}, "a.en:1: expected source TAB target, got one field, 'a' "
     r"\(or two line-aligned files, sources and targets, got 3\)$"),
    ({"a_en": "a\n"}, {}, r"a.en:1: expected source TAB target, .*\(or two line-aligned files, .* got 1\)$"),
    ({"a_txt": BABI.replace("1 ", "7 ", 1)}, {}, "a.txt:1: a bAbI file must begin with a statement of ID 1, got '7 "),
    ({"a_txt": BABI.split("\n", 2)[2]}, {}, "a.txt:1: a bAbI file must begin with a statement of ID 1, got '"),
    ({"a_csv": "a,b\n1,2"}, {}, "a.csv:1: --fields must say which are source and target, there are 'a'"),
    ({"a_csv": "a,b\n1,2"}, {"fields": ("a",)}, "read_pairs: fields must be 2 or more, one for source"),
    ({"a_txt": BABI}, {"fields": ("a", "b")}, "a.txt: --fields picks from CSV .* read as babi"),
    ({"a_txt": BABI}, {"columns": (1, 2)}, r"a.txt:1: expected 2 columns \(--columns\), got one field"),
    ({"a_txt": BABI + "Mary left.\n"}, {}, "a.txt:8: expected ID statement, or .* TAB IDs, got 'Mary"),
    ({"a_txt": BABI + "3 Where?\thall\n"}, {}, r"a.txt:8: expected ID statement, .* got '3 Where\?\\thall'"),
    ({"a_txt": BABI + "3 Where?\thall\t1 x\n"}, {}, "a.txt:8: expected ID statement, .* got '3 Where"),
    ({"a_txt": BABI + "3 \n"}, {}, "a.txt:8: expected ID statement"),
    ({"a_txt": BABI + "3  \n"}, {}, "a.txt:8: expected ID statement"),
    ({"a_txt": BABI + "\n3 Mary left.\n"}, {}, "a.txt:8: expected ID statement, .* got ''"),
    ({"a_txt": BABI + "3 Where?\t \t1\n"}, {}, "a.txt:8: the target must not be empty, got ''"),
    ({"a_txt": BABI + "4 Mary left.\n"}, {}, "a.txt:8: the ID must be 3, or 1 for another story, got 4"),
    ({"a_txt": "2 Mary left.\n"}, {"format": "babi"}, "a.txt:1: the ID must be 1, .* got 2"),
    ({"a_txt": "1 Mary left.\n"}, {"format": "babi"}, "a.txt: the file has no records, expected source and"),
    ({"a_txt": b"a\tA\nb\t\xfe"}, {}, r"a.txt: not UTF-8 at byte 6 \(0xfe\)"),
    ({"a_txt": "a\tA"}, {"format": "xml"}, "format must be one of tsv, lines, csv, jsonl, babi, got 'xml'"),
])
def test_bad_pairs_are_named(write, files, options, message):
    with pytest.raises(ValueError, match=message) as error:
        read_pairs(write(**files), **options)
    assert "\n" not in str(error.value)


PIECES = ["1 ", "2 ", "a", "\t", "\n", "\r\n", " ", ",", '"', "{", "}", ":", "[", "1", '"q"', '"a"', "q,a\n",
          "\\", "\ud83d", "\u2028", "é", "\0", "1 a\n2 b\ta\t1\n", '{"q": "x", "a": "y"}\n', "B-x", "I-x",
          "O"]


@pytest.mark.parametrize("format", ["tsv", "babi", "csv", "jsonl", "tag"])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
@settings(max_examples=100)
def test_whatever_a_file_holds(tmp_path_factory, format, pieces):
    """Records, none of them empty, or one sentence that names it."""
    path = tmp_path_factory.mktemp("x") / "a.txt"
    path.write_bytes("".join(pieces).encode("utf-8", "surrogatepass"))
    try:
        if format == "tag":
            records = read_tagged(path)
        else:
            records = read_pairs(path, format, fields=("q", "a") if format in ("csv", "jsonl") else None)
    except ValueError as error:
        assert str(error).startswith(str(path)) and str(error).isprintable()
    else:
        assert records and all(all(record) for record in records)


def test_no_files():
    with pytest.raises(ValueError, match="read_pairs: files must be at least one, got none"):
        read_pairs([])
