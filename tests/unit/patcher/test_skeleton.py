"""The map that `patch init` writes: it loads, covers every placeholder, and fills each text as it would be filled by hand."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import Outcome, UsageError
from secrettool.objects import Ref
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import FillForm, PatchMap, Target, TemplateForm, ValueForm
from secrettool.patcher.skeleton import skeleton
from secrettool.sources.model import EnvSource
from secrettool.sources.value import SecretValue

ROOT = Path(__file__).parents[3]
DISABLED = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
TOKEN = "REPLACE_ME"


def obj(name: str = "s", namespace: str | None = "n", annotations: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """An object, a Secret unless it says otherwise."""
    metadata: dict[str, Any] = (
        {"name": name} | ({"namespace": namespace} if namespace else {}) | ({"annotations": annotations} if annotations else {})
    )
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


def loaded(*objs: dict[str, Any], tokens: tuple[str, ...] = (TOKEN,)) -> PatchMap:
    """The map for objects that stand in a file each."""
    return load(skeleton({f"{number}.json": json.dumps(each) for number, each in enumerate(objs)}, name="test", tokens=tokens))


def only(patch_map: PatchMap) -> Target:
    (target,) = patch_map.targets
    return target


def filled(patch_map: PatchMap, template: Any) -> str:
    """What a template gives when every value is its own name in brackets."""
    values = {name: SecretValue(f"<{name}>".encode()) for name in patch_map.values}
    return str(template.render(values, target="t", key="k"))


def test_pt_init_the_map_of_the_example_repository() -> None:
    paths = [path for path in (ROOT / "keys-example").rglob("*") if path.is_file()]
    files = {str(path.relative_to(ROOT / "keys-example")): path.read_text(encoding="utf-8") for path in paths}
    found = load(skeleton(files, name="example"))
    assert found.name == "example"
    assert found.values == {"shopPaymentToken": EnvSource("SHOP_PAYMENT_TOKEN"), "shopSearchApiKey": EnvSource("SHOP_SEARCH_API_KEY")}
    assert [(each.id, next(each.refs()), each.create) for each in found.targets] == [
        ("shop-payment", Ref("v1", "Secret", "shop", "shop-payment"), None),
        ("shop-search", Ref("v1", "Secret", "shop", "shop-search"), "from-manifest"),
    ]


def test_pt_init_every_placeholder_gets_a_value() -> None:
    found = loaded(obj(stringData={"a": TOKEN, "b": "REPLACE_ME_note", "c": "known"}, data={"d": b64encode(b"REPLACE_ME\n").decode()}))
    assert {key: rule.form for key, rule in only(found).rules.items()} == {"d": ValueForm("sD"), "a": ValueForm("sA"), "b": ValueForm("sB")}
    assert set(found.values) == {"sA", "sB", "sD"}


def test_pt_init_a_value_inside_json_is_filled() -> None:
    text = json.dumps({"proxmox": {"host": TOKEN}, "auth": {"user": "REPLACE_ME_user@pam", "url": f"https://x:{TOKEN}@y", "port": 1}})
    found = loaded(obj("mcp", stringData={"config.json": text}))
    form = only(found).rules["config.json"].form
    assert isinstance(form, FillForm)
    assert {pointer: filled(found, template) for pointer, template in form.leaves.items()} == {
        "/proxmox/host": "<mcpProxmoxHost>",
        "/auth/user": "<mcpAuthUser>",
        "/auth/url": "https://x:<mcpAuthUrlX>@y",
    }


def test_pt_init_a_value_inside_text_is_a_template() -> None:
    text = 'A=REPLACE_ME\nB: "REPLACE_ME_note"\nC={REPLACE_ME} {{x}} {% y\r\n'
    found = loaded(obj(stringData={"env": text}))
    form = only(found).rules["env"].form
    assert isinstance(form, TemplateForm)
    assert filled(found, form.template) == 'A=<sEnvA>\nB: "<sEnvB>"\nC={<sEnv>} {{x}} {% y\r\n'


def test_pt_init_a_login_of_a_registry_is_encoded_again() -> None:
    auths = {"auths": {"ghcr.io": {"auth": b64encode("bot'é:REPLACE_ME".encode()).decode(), "password": TOKEN}}}
    found = loaded(obj("reg", data={".dockerconfigjson": b64encode(json.dumps(auths).encode()).decode()}))
    form = only(found).rules[".dockerconfigjson"].form
    assert isinstance(form, FillForm)
    assert filled(found, form.leaves["/auths/ghcr.io/password"]) == "<regAuthsGhcrIoPassword>"
    assert filled(found, form.leaves["/auths/ghcr.io/auth"]) == b64encode("bot'é:<regAuthsGhcrIoAuth>".encode()).decode()


def test_pt_init_other_kinds_are_targets_with_fields() -> None:
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "letsencrypt"}, "spec": {"acme": {"email": TOKEN}}}
    target = only(loaded(issuer))
    assert list(target.refs()) == [Ref("cert-manager.io/v1", "ClusterIssuer", "", "letsencrypt")]
    assert {key: rule.form for key, rule in target.rules.items()} == {"/spec/acme/email": ValueForm("letsencryptEmail")}


@pytest.mark.parametrize(
    ("annotations", "create"),
    [
        (DISABLED, "from-manifest"),
        ({"kustomize.toolkit.fluxcd.io/ssa": "ignore"}, "from-manifest"),
        ({"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}, None),
        (None, None),
    ],
)
def test_pt_init_what_flux_never_creates_is_created(annotations: dict[str, str] | None, create: str | None) -> None:
    assert only(loaded(obj(annotations=annotations, stringData={"k": TOKEN}))).create == create


def test_pt_init_the_namespace_is_that_of_the_kustomization_file() -> None:
    files = {
        "app/kustomization.yaml": "namespace: shop\nresources: [s.json]\n",
        "app/s.json": json.dumps(obj(namespace=None, stringData={"k": TOKEN})),
    }
    assert only(load(skeleton(files, name="test"))).namespaces == ("shop",)


def test_pt_init_a_secret_without_a_namespace_is_marked() -> None:
    text = skeleton({"s.json": json.dumps(obj(namespace=None, stringData={"k": TOKEN}))}, name="test")
    assert "# The manifest names no namespace: correct it here." in text
    assert only(load(text)).namespaces == ("default",)


def test_pt_init_names_are_given_once() -> None:
    found = loaded(
        *(obj(namespace=namespace, stringData={"k": TOKEN}) for namespace in ("a", "b")),
        {**obj(namespace="a", data={"k": TOKEN}), "kind": "ConfigMap"},
        obj("S", namespace="a", stringData={"K": TOKEN}),
    )
    assert [each.id for each in found.targets] == ["s", "b.s", "a.s", "a.s.secret"]
    assert list(found.values) == ["sK", "bSK", "aSK", "sK2"]


@pytest.mark.parametrize(
    ("name", "key", "variable"),
    [("github", "token", "SECRET_GITHUB_TOKEN"), ("path", "path", "PATH_VALUE"), ("1p", "clientSecret", "V_1_P_CLIENT_SECRET")],
)
def test_pt_init_no_variable_has_a_name_with_a_meaning(name: str, key: str, variable: str) -> None:
    assert list(loaded(obj(name, stringData={key: TOKEN})).values.values()) == [EnvSource(variable)]


def test_pt_init_other_tokens_are_written_down() -> None:
    found = loaded(obj(stringData={"k": "<FILL>", "l": TOKEN}), tokens=("<FILL>", "TO_DO"))
    assert found.tokens == ("<FILL>", "TO_DO")
    assert list(only(found).rules) == ["k"]


def test_pt_init_what_has_no_name_yet_is_left_out_and_said() -> None:
    files = {"a.json": json.dumps(obj(namespace="${ns}", stringData={"k": TOKEN})), "b.json": json.dumps(obj(stringData={"k": TOKEN}))}
    text = skeleton(files, name="test")
    assert "Not covered, since its name or namespace is none yet: a.json:1" in text
    assert len(load(text).targets) == 1


def test_pt_init_no_placeholder_is_an_error() -> None:
    with pytest.raises(UsageError, match="no placeholders") as raised:
        skeleton({"s.json": json.dumps(obj(stringData={"k": "known"}))}, name="test")
    assert raised.value.code == Outcome.CONFIGURATION


def test_pt_init_the_file_and_line_of_each_object_are_said() -> None:
    stream = f"# note\n{json.dumps(obj('a', stringData={'k': TOKEN}))}\n---\n{json.dumps(obj('b', stringData={'k': TOKEN}))}\n"
    assert re.findall(r"# (x\.yaml:\d+)", skeleton({"x.yaml": stream}, name="test")) == ["x.yaml:2", "x.yaml:4"]


PIECES = st.lists(
    st.sampled_from([TOKEN, " ", "\n", "{", "}", "%", "#", ":", "=", "a", "é", "'", '"', "\\", "\r", "\t", "-", "\u2028", "|", "0"]), max_size=12
)
KEYS = st.text("aB-_.0", min_size=1, max_size=5)


@given(
    st.dictionaries(KEYS, PIECES.map("".join), min_size=1, max_size=4),
    st.sampled_from(["Secret", "ConfigMap"]),
    st.text("a-.Z0/$ ", min_size=1, max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_pt_init_any_map_loads_and_leaves_no_placeholder(texts: dict[str, str], kind: str, name: str) -> None:
    field: dict[str, Any] = {"stringData": texts} if kind == "Secret" else {"data": texts}
    try:
        found = loaded({**obj(name, **field), "kind": kind})
    except UsageError:
        return
    for key, rule in only(found).rules.items():
        if isinstance(rule.form, TemplateForm):
            whole = texts[key.rpartition("/")[2]]
            made = filled(found, rule.form.template)
            assert re.sub(r"<\w+>", "@", made) == re.sub(rf"(?<![A-Za-z0-9_]){TOKEN}(?![A-Za-z0-9])(?:_\w*)?", "@", whole)
