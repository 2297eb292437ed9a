"""Documents that once came out differently, or that show a named difference: each with what must come of it now."""

from __future__ import annotations

from typing import Literal, NamedTuple

from secrettool.sops.selection import Selector
from tests.interop.fuzz import named
from tests.interop.fuzz.comparison import Case
from tests.interop.fuzz.edits import Edit
from tests.interop.fuzz.options import Options

ROTATE = Edit("rotate")
PLAIN = Options()


def by_comments(kind: Literal["encrypted", "unencrypted"], expression: str) -> Options:
    """Options with a rule that looks at comments."""
    return Options(Selector("encrypted_comment_regex" if kind == "encrypted" else "unencrypted_comment_regex", expression))


MAC_ONLY = Options(mac_only_encrypted=True)


class Found(NamedTuple):
    """A document with the names of what comes of it, empty where both programs agree.

    Attributes:
        what: What it is about.
        case: The document, how it is encrypted and changed.
        encrypt: Name for the direction of that name.
        decrypt: The same.
        edit: The same.
    """

    what: str
    case: Case
    encrypt: str = ""
    decrypt: str = ""
    edit: str = ""


FOUND = (
    # Faults of secrettool, gone now.
    Found("comment-that-sops-writes-behind-its-key", Case("yaml", b"k: &x\n d: \n<: *x #c\n", PLAIN, ROTATE), named.COMMENT),
    Found("comment-of-a-list-behind-the-key", Case("yaml", b"a_unencrypted: [[[], k: []] #c\n]\n", PLAIN, ROTATE), named.COMMENT, "", named.COMMENT),
    Found("zone-of-24-hours-in-clear-outside-the-mac", Case("yaml", b"a_unencrypted: 2031-08-03T01:02:03-24:00\n", MAC_ONLY, ROTATE)),
    Found("unset-of-the-default-section", Case("ini", b"b = x\n[y]\nz = 1\n", PLAIN, Edit("unset", ("DEFAULT",)))),
    Found("unset-of-the-default-section-with-a-header", Case("ini", b"[DEFAULT]", PLAIN, Edit("unset", ("DEFAULT",)))),
    Found("empty-comments-that-the-section-moves-into-a-list", Case("yaml", b"d:\n - 1\n\n #\n  #", PLAIN, ROTATE), named.MOVED),
    Found("tab-between-the-colon-of-a-long-key-and-a-comment", Case("yaml", b"? k\n:\t# c\n  x\n? l\n: \t#\n?\t# d\n  m\n", PLAIN, ROTATE)),
    Found("line-below-a-colon-and-a-tab", Case("yaml", b"? k\n:\t\n  # c\n  x\n", PLAIN, ROTATE)),
    Found("tabs-between-comments", Case("yaml", b"# a\n\t\n\t# b\nk: x\n# c\n\n \t# d\n\t# e\nl: y\n", PLAIN, ROTATE)),
    Found("empty-comment-in-a-list-that-keeps-it-in-clear", Case("yaml", b"x:\n#\n- y\n", by_comments("unencrypted", r"^\s*$"), ROTATE)),
    Found("empty-comment-in-a-list-that-encrypts-it", Case("yaml", b"x:\n#\n- y\n", by_comments("encrypted", r"^\s*$"), ROTATE)),
    Found("alias-beside-an-empty-comment", Case("yaml", b"  k:\n   &x #\n  - y\n  l: {z: *x #\n}", PLAIN, ROTATE), named.EMPTY_LIST_COMMENT),
    Found("text-of-sops-that-is-broken", Case("ini", b'b:\\#\ny="""\n"""', PLAIN, Edit("unset", ("DEFAULT", "b")))),
    Found(
        "text-of-sops-that-is-broken-and-a-section-that-becomes-a-value", Case("ini", b'b:\\#\ny="""\n"""', PLAIN, Edit("set", ("DEFAULT",), '"x"'))
    ),
    # Differences with a name.
    Found("two-byte-order-marks", Case("yaml", b"\xef\xbb\xbf\xef\xbb\xbfa: x\n", PLAIN, ROTATE), *[named.TWO_MARKS] * 3),
    Found("tag-that-does-not-fit-in-a-later-document", Case("yaml", b"a: x\n---\nb: !!int x\n", PLAIN, ROTATE), *[named.TAG] * 3),
    Found("header-default-that-becomes-the-first", Case("ini", b"[Default]\n", PLAIN, Edit("unset", ("DEFAULT",))), edit=named.DEFAULT_HEADER),
    Found("boolean-in-clear-in-dotenv", Case("dotenv", b"A=x\n", PLAIN, Edit("set", ("B_unencrypted",), "true")), edit=named.CLEAR_TYPED),
    Found("null-in-dotenv", Case("dotenv", b"A=x\n", PLAIN, Edit("set", ("B",), "null")), edit=named.NULL),
    Found("collection-in-ini", Case("ini", b"b = x\n", PLAIN, Edit("set", ("DEFAULT", "b", 0), '"y"')), edit=named.INI_COLLECTION),
    Found("merge-key-with-a-string", Case("yaml", b"b: x\n", PLAIN, Edit("set", ("<<",), '"y"')), edit=named.SOPS_REREADS),
    Found("key-that-ini-reads-as-a-comment", Case("ini", b"- = x\n", PLAIN, ROTATE), *[named.COMMENT_KEY] * 3),
    Found("quoted-key-that-ini-reads-as-a-comment", Case("ini", b'";" = \n', PLAIN, ROTATE), named.COMMENT_KEY, named.COMMENT),
    Found("backslash-alone-in-ini", Case("ini", b"a_unencrypted = `\\`\nb = \n", PLAIN, ROTATE), named.VALUE, "", named.SOPS_REREADS),
    Found("expression-with-look-ahead", Case("yaml", b"a: x\n", Options(Selector("encrypted_regex", "(?=a)")), ROTATE), *[named.EXPRESSION] * 3),
    Found("comment-in-a-list", Case("yaml", b"a:\n- x\n# c\n- y\n", PLAIN, ROTATE), named.LIST_COMMENT, named.LIST_COMMENT),
    Found("empty-comment-in-a-list", Case("yaml", b"a:\n- x\n#\n- y\n", PLAIN, ROTATE), named.EMPTY_LIST_COMMENT),
    Found("inline-comment", Case("yaml", b"a: x # c\n", PLAIN, ROTATE), decrypt=named.INLINE),
    Found(
        "comment-that-sops-loses-when-it-moves",
        Case("yaml", b"k: [{a: x, # c\n}, y] # d\n", by_comments("encrypted", "^"), ROTATE),
        decrypt=named.COMMENT,
    ),
    Found(
        "comment-that-sops-moves-into-a-part-in-clear",
        Case("yaml", b"k: [{s #c\n},[[]]]#", by_comments("encrypted", "^"), ROTATE),
        named.EMPTY_LIST_COMMENT,
        named.SEALED,
    ),
    Found("text-that-starts-with-a-tab", Case("yaml", b'a: "\\tx\\ny"\n', PLAIN, ROTATE), "", named.TAB_FIRST, named.TAB_FIRST),
    Found(
        "text-that-starts-with-a-tab-and-a-comment-in-a-list",
        Case("yaml", b'k: "\\t\\n"#\nx:\n- y # z', PLAIN, ROTATE),
        *[named.TAB_FIRST] * 3,
    ),
    Found("block-in-a-list-that-starts-with-blanks", Case("yaml", b"b:\n- >2\n    p\n", PLAIN, ROTATE), "", named.DIGIT, named.DIGIT),
    Found("negative-zero-in-clear", Case("json", b'{"a_unencrypted": -0.0}', MAC_ONLY, ROTATE), named.NEGATIVE_ZERO, named.NEGATIVE_ZERO),
    Found("block-in-another-indentation", Case("yaml", b"a: |\n x\n y\n", Options(indent=2), ROTATE), decrypt=named.STEP),
    Found("comment-behind-the-last-value", Case("yaml", b"# c\na: &x  # d\n", PLAIN, ROTATE), encrypt=named.MOVED),
    Found("tag-with-a-bracket", Case("yaml", b"d: !] 0\n", PLAIN, ROTATE), *[named.LIBYAML] * 3),
    Found(
        "comment-that-sops-drops-with-a-rule-about-comments",
        Case("yaml", b"# \n---\n#", by_comments("encrypted", "^ c"), ROTATE),
        named.SEALED,
        edit=named.COMMENT,
    ),
    Found(
        "encrypted-comment-that-moves-into-a-part-in-clear",
        Case("yaml", b"a_unencrypted: # c\n b:\n # d", PLAIN, ROTATE),
        named.SEALED,
        edit=named.COMMENT,
    ),
    Found(
        "comment-behind-the-last-value-with-a-rule-about-comments",
        Case("yaml", b"k: x\nb: &x #", by_comments("unencrypted", "^"), ROTATE),
        *[named.MOVED_RULE] * 3,
    ),
    Found(
        "position-that-sops-gives-to-another-entry",
        Case("yaml", b"a_unencrypted:\n- [[]]\n- #c\n - ''\n", PLAIN, Edit("set", ("a_unencrypted", 1, 0), '"x"')),
        edit=named.POSITION,
    ),
    Found("text-behind-the-object", Case("json", b'{"a": "x"} y', PLAIN, ROTATE), encrypt=named.BEHIND),
)
