"""Documents for the binary store: any bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.interop.fuzz.texts import ASTRAL, BLANKS, BREAKS, LETTERS, MARKS, UNICODE, UNPRINTABLE, strings


def documents() -> st.SearchStrategy[bytes]:
    """Bytes, texts, and things that look like other formats."""
    return st.one_of(
        st.binary(max_size=40),
        strings(LETTERS, MARKS, BLANKS, BREAKS, UNICODE, ASTRAL, UNPRINTABLE, max_size=30).map(str.encode),
        st.sampled_from((b"", b"{}", b'{"data": 1}', b"sops: x\n", b"\xff\xfe\x00", b"\xed\xa0\x80", b"a\r\nb", b"\xef\xbb\xbf")),
        st.builds(lambda part, count: part * count, st.binary(min_size=1, max_size=5), st.sampled_from((100, 3000, 40000))),
    )
