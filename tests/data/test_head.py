"""The first lines of a CSV file."""

import pytest

from eac.data.parsing.head import read_head
from eac.errors import StreamError


def test_a_line_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "counts.csv").write_bytes("Zähler;y\na;1\n".encode("latin-1"))
    with pytest.raises(StreamError, match="is not text in UTF-8"):
        read_head(tmp_path / "counts.csv", "counts")


@pytest.mark.parametrize("before", [0, 1])
def test_a_first_line_may_be_cut_within_a_letter(tmp_path, before):
    names = "x" * before + "ä" * (1 << 23)  # the first 16 MiB ends within one
    (tmp_path / "counts.csv").write_text(f"{names},y\na,1\n", encoding="utf-8")
    assert read_head(tmp_path / "counts.csv", "counts").names[0].startswith(names[:1000])
