import gzip

import pytest

from tinyllm.data.readers import read_text


def test_reads_plain_and_gzip(tmp_path):
    (tmp_path / "a.txt").write_bytes("één\r\n中文".encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("één\r\n中文".encode()))
    assert read_text(tmp_path / "a.txt") == read_text(tmp_path / "a.txt.gz") == "één\r\n中文"


def test_replace_goes_on(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"ab\xffcd")
    assert read_text(tmp_path / "a.txt", errors="replace") == "ab\ufffdcd"


@pytest.mark.parametrize("name, data, message", [
    ("a.txt", b"", "a.txt: the file is empty"),
    ("a.txt", b"abc\xff", r"a.txt: not UTF-8 at byte 3 \(0xff\); --errors replace goes on"),
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
