"""Which paths are URLs, as Go's net/url sees it; a program in Go gave the expected results."""

from __future__ import annotations

import pytest

from secrettool.hook.remote import is_remote


@pytest.mark.parametrize(
    "path",
    [
        *(
            "https://h/x",
            "HTTP://h",
            "ssh://git@h/p",
            "x://@h",
            "http://u:p@h:1?q=%zz",
            "https://h#f",
            "http://h/a b",
            "x://::",
            "x+y://]",
            "x://[::1]:80/",
        ),
        *("http://[fe80::1%25en0]/", "https://%25en0", "https://é/", "https://h:/", "https://h#a%41", "x://<%25>/"),
    ],
)
def test_a_url_with_scheme_and_host_is_remote(path: str) -> None:
    assert is_remote(path)


@pytest.mark.parametrize(
    "path",
    [
        *("p.yaml", "../p.yaml", "/p.yaml", "", "git@h:org/p.yaml", "file:///p.yaml", "https://", "https:/h", "1x://h", "://h", "a/b://h"),
        *(
            "http://h:ab/x",
            "http://a b/x",
            "http://h/%zz",
            "http://%41/",
            "https://::1/",
            "x://[]",
            "x://[1.2.3.4]",
            "x://a[::1]",
            "x://[::1",
            "x://[::1]a",
        ),
        *("https://h/\x7f", "https://h#%", "x://a^b/", "x://u^@h", "https://u@", "x://[::1%25]"),
    ],
)
def test_all_else_is_a_path(path: str) -> None:
    assert not is_remote(path)
