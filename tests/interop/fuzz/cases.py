"""Whole cases: a document, how it is encrypted, and how it is changed."""

from __future__ import annotations

from hypothesis import strategies as st

from secrettool.errors import SecrettoolError
from secrettool.library import StoreName
from secrettool.stores import by_name
from tests.interop.fuzz import binary, dotenv, ini, json, yaml
from tests.interop.fuzz.comparison import Case
from tests.interop.fuzz.edits import edits
from tests.interop.fuzz.options import options

DOCUMENTS = {"yaml": yaml.documents, "json": json.documents, "dotenv": dotenv.documents, "ini": ini.documents, "binary": binary.documents}


@st.composite
def cases(draw: st.DrawFn, store: StoreName) -> Case:
    """Cases of one store."""
    data = draw(DOCUMENTS[store]())
    try:
        tree = by_name(store).parse(data).tree
    except SecrettoolError:
        tree = []
    return Case(store, data, draw(options()), draw(edits(tree)))
