import gzip
import io

import pytest

from tinyllm.data.readers import arriving_lines, file_list, read_lines, read_record_lines, read_text


def test_reads_plain_and_gzip(tmp_path):
    (tmp_path / "a.txt").write_bytes("één\r\n中文".encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("één\r\n中文".encode()))
    assert read_text(tmp_path / "a.txt") == read_text(tmp_path / "a.txt.gz") == "één\r\n中文"


def test_replace_goes_on(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"ab\xffcd")
    assert read_text(tmp_path / "a.txt", errors="replace") == "ab\ufffdcd"


def test_a_byte_order_mark_is_no_text_where_the_file_begins(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfab\xef\xbb\xbf")
    assert read_text(tmp_path / "a.txt") == "ab\ufeff"


@pytest.mark.parametrize("text, lines", [
    ("a\nb\n", ["a", "b"]),
    ("a\r\n\r\nb", ["a", "", "b"]),
    ("a\n\n", ["a", ""]),
    ("\n", [""]),
    ("a\u2028b\x0bc\rd\x85\n", ["a\u2028b\x0bc\rd\x85"]),  # where str.splitlines would cut
])
def test_lines_end_with_lf_or_cr_lf(tmp_path, text, lines):
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_lines(tmp_path / "a.txt") == lines


class Pipe:
    """What a stream gives: each of these pieces when it is asked, and then nothing."""

    def __init__(self, *pieces):
        self.pieces = [*pieces]

    def read1(self, size):
        return self.pieces.pop(0) if self.pieces else b""


def test_lines_that_arrive():
    """As soon as they are whole; the last one may lack its end."""
    assert list(arriving_lines(Pipe(b"\xef\xbb\xbfa\r\n\nb\xc3", b"\xa9c\nd", b"e", b"\n", b"f"), "x")) == [
        ["a", ""], ["b\u00e9c"], ["de"], ["f"]]
    assert list(arriving_lines(Pipe(), "x")) == [] and list(arriving_lines(Pipe(b"\n"), "x")) == [[""]]
    lines = "".join(f"{i}\u2028\n" for i in range(30_000)).encode()
    arrived = list(arriving_lines(io.BytesIO(lines), "x"))
    assert sum(arrived, []) == [f"{i}\u2028" for i in range(30_000)] and len(arrived) < 10


def test_a_bad_byte_that_arrives():
    lines = arriving_lines(Pipe(b"a\n", b"b\nab\xff\n"), "x")
    assert next(lines) == ["a"]
    with pytest.raises(ValueError, match=r"^x:3: not UTF-8 at byte 2 \(0xff\); --errors replace goes on"):
        next(lines)
    assert list(arriving_lines(Pipe(b"ab\xff\n"), "x", "replace")) == [["ab\ufffd"]]


@pytest.mark.parametrize("data, message", [
    ("ab".encode("utf-16-le").join([b"\xff\xfe", b""]), r"is UTF-16 \(it begins with ff fe\), expected UTF-8$"),
    ("ab".encode("utf-16-be").join([b"\xfe\xff", b""]), r"is UTF-16 \(it begins with fe ff\), expected UTF-8$"),
    (gzip.compress(b"ab"), r"is gzip \(it begins with 1f 8b\), expected a name that ends in .gz, or UTF-8$")])
def test_what_is_no_text_at_all(tmp_path, data, message):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=f"a.txt: {message}"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=f"^x:1: {message}"):
        next(arriving_lines(Pipe(data), "x"))


def test_lines_of_records(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\n\nb\n\n\n")
    assert read_record_lines(tmp_path / "a.txt") == ["a", "", "b"]
    (tmp_path / "a.txt").write_bytes(b"\n\r\n\n")
    with pytest.raises(ValueError, match="a.txt: the file has no records, only empty lines"):
        read_record_lines(tmp_path / "a.txt")


def test_one_file_or_several(tmp_path):
    assert file_list("f", "ab") == ["ab"] and file_list("f", tmp_path) == [tmp_path]
    assert file_list("f", ("a", "b")) == ["a", "b"]
    with pytest.raises(ValueError, match="f: files must be at least one, got none"):
        file_list("f", [])


@pytest.mark.parametrize("name, data, message", [
    ("a.txt", b"", "a.txt: the file is empty"),
    ("a.txt", b"\xef\xbb\xbf", "a.txt: the file is empty"),
    ("a.txt", b"abc\xff", r"a.txt: not UTF-8 at byte 3 \(0xff\); --errors replace goes on"),
    ("a.txt", b"\xef\xbb\xbfabc\xff", r"a.txt: not UTF-8 at byte 6 \(0xff\)"),
    ("a.gz", b"no gzip", r"a.gz: not a whole gzip file \("),
    ("a.gz", gzip.compress(b"cut off" * 99)[:-9], r"a.gz: not a whole gzip file \("),
])
def test_bad_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / name)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none.txt")
