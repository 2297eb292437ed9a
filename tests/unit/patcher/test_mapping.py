"""The patch map: the whole example loads, and everything that is wrong with a map is said at once, without what is written there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import ConfigError, Outcome, SecrettoolError
from secrettool.objects import Ref
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import (
    AbsentForm,
    FillForm,
    JsonForm,
    KeyRule,
    NewSecret,
    PatchMap,
    Target,
    TargetPolicy,
    TemplateForm,
    ValueForm,
    Workload,
)
from secrettool.patcher.templates import Template
from secrettool.patcher.validation import InvalidMapError, schema_text
from secrettool.sources.model import (
    EnvSource,
    ExecProvider,
    FileSource,
    Form,
    GenerateSource,
    ProviderSource,
    RefSource,
    SopsSource,
    StorePlace,
    VaultAuth,
    VaultProvider,
)
from secrettool.yamlfile.validation import Problem

EXAMPLE = (Path(__file__).parent / "patch-map.yaml").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads(schema_text())
MARKER = "hunter2"

HEAD = "apiVersion: secrettool.dev/v1alpha1\nkind: PatchMap\n"
VALUES = "values:\n  a: {env: A}\n  b: {env: B}\n"
TARGET = "  - id: x\n    ref: {kind: Secret, namespace: n, name: s}\n"
START = HEAD + VALUES + "targets:\n" + TARGET
"""Eight lines; what follows is in line 9."""


def problems(text: str) -> list[Problem]:
    """All that is wrong with a map."""
    with pytest.raises(InvalidMapError) as raised:
        load(text, file="patch.yaml")
    return list(raised.value.problems)


def said(text: str) -> list[tuple[int, int, str, str]]:
    """Line, column, field and message of all that is wrong with a map."""
    return [problem[:4] for problem in problems(text)]


def one(text: str) -> Problem:
    """The only thing that is wrong with a map."""
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def rule(text: str) -> KeyRule:
    """The rule of a map with one key."""
    return load(f"{START}    keys: {{k: {text}}}\n").targets[0].rules["k"]


def target(patch_map: PatchMap, name: str) -> Target:
    return next(each for each in patch_map.targets if each.id == name)


# ---- the example ---------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> PatchMap:
    return load(EXAMPLE, file="patch.yaml")


def test_pt_04_the_values_of_the_example(example: PatchMap) -> None:
    assert example.values == {
        "adminEmail": EnvSource("ADMIN_EMAIL"),
        "smtp": ProviderSource("kv", path="authentik", key="smtp-password"),
        "nats": ProviderSource("kv", path="chatto", key="nats-token"),
        "pmTokenId": ProviderSource("bws", args={"id": "00000000-0000-4000-8000-000000000001"}),
        "pmSecret": ProviderSource("kv", path="proxmox", key="token-secret", version=7),
        "pmHost": RefSource("ref+vault://kv/proxmox#/host"),
        "opToken": FileSource("/run/secrets/token", Form(trim="newline")),
        "backup": SopsSource("secrets/backup.enc.yaml", Form(pointer="/stringData/key")),
        "cookie": GenerateSource("base64", 48, StorePlace("kv", "chatto", "cookie-signing")),
    }


def test_pt_04_the_providers_of_the_example(example: PatchMap) -> None:
    audience = "https://vault.example.net"
    assert example.providers == {
        "kv": VaultProvider(
            "https://vault.example.net:8200", "homelab", "kv", "auto", auth=VaultAuth("jwt", "jwt", "patch-secrets", github_audience=audience)
        ),
        "bws": ExecProvider(("bws", "secret", "get", "{id}"), ("BWS_ACCESS_TOKEN",), parse="json", pointer="/value"),
        "tofu": ExecProvider(("tofu", "output", "-raw", "{name}"), cwd="opentofu/authentik"),
    }


def test_pt_04_the_targets_of_the_example(example: PatchMap) -> None:
    assert [each.id for each in example.targets] == [
        "authentik-credentials",
        "bw-auth-token",
        "chatto-config",
        "mcp-proxmox-secrets",
        "letsencrypt-email",
    ]
    token = target(example, "bw-auth-token")
    assert (token.groups, token.create) == (("bootstrap",), NewSecret("Opaque"))
    assert [str(ref) for ref in token.refs()][:2] == ["Secret/actual/bw-auth-token", "Secret/authentik/bw-auth-token"]
    assert target(example, "authentik-credentials").restart == (Workload("Deployment", "authentik-server"),)
    assert target(example, "chatto-config").create == "from-manifest"
    issuer = target(example, "letsencrypt-email")
    assert list(issuer.refs()) == [Ref("cert-manager.io/v1", "ClusterIssuer", "", "letsencrypt-production")]
    assert not issuer.is_secret
    assert issuer.rules["/spec/acme/email"].form == ValueForm("adminEmail")


def test_pt_04_the_rules_of_the_example(example: PatchMap) -> None:
    rules = target(example, "authentik-credentials").rules
    assert [type(each.form) for each in rules.values()] == [ValueForm, ValueForm, ValueForm, AbsentForm]
    assert [key for key, each in rules.items() if each.optional] == ["extra"]
    filled = target(example, "mcp-proxmox-secrets").rules["config.json"]
    assert isinstance(filled.form, FillForm)
    assert list(filled.form.leaves) == ["/proxmox/host", "/auth/user", "/auth/token_name", "/auth/token_value"]
    assert filled.names == {"pmHost", "pmTokenId", "pmSecret"}
    assert filled.line == 37


def test_pt_04_the_rest_of_the_example(example: PatchMap) -> None:
    assert (example.tokens, example.defaults, example.name, example.file) == (("REPLACE_ME",), TargetPolicy(), None, "patch.yaml")


def test_pt_04_json_is_read_as_well(example: PatchMap) -> None:
    from secrettool.yamlfile.located import LocatedYaml

    again = load(json.dumps(LocatedYaml(EXAMPLE).data), file="patch.yaml")
    assert (again.values, again.providers) == (example.values, example.providers)
    assert [each.id for each in again.targets] == [each.id for each in example.targets]


# ---- the schema ----------------------------------------------------------------------------------------------------------------------------------


def parts(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside the schema, conditions left out."""
    yield path, node
    for name in ("properties", "$defs"):
        for key, inner in node.get(name, {}).items():
            yield from parts(inner, f"{path}/{name}/{key}")
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from parts(node[name], f"{path}/{name}")
    for number, inner in enumerate(node.get("oneOf", ())):
        if "required" not in inner or len(inner) > 1:
            yield from parts(inner, f"{path}/oneOf/{number}")


PARTS = dict(parts(SCHEMA))


def test_pt_05_the_schema_is_one() -> None:
    jsonschema_rs.meta.validate(SCHEMA)


@pytest.mark.parametrize("path", [path for path, node in PARTS.items() if node.get("type") == "object" and "properties" in node])
def test_pt_05_every_object_is_closed(path: str) -> None:
    assert PARTS[path]["additionalProperties"] is False


@pytest.mark.parametrize("path", [path for path in PARTS if path != "#" and not path.endswith("]")])
def test_pt_05_every_part_has_type_and_description(path: str) -> None:
    node = PARTS[path]
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    assert "type" in node or "oneOf" in node
    assert node["description"].endswith(".")


def test_pt_05_no_field_of_the_requirement_is_missing() -> None:
    names = {
        "policy": "annotationPolicy onMissing onMissingNamespace onMissingValue allowEmpty scrubLastApplied force",
        "vault": "type address namespace mount kvVersion caFile caPem tlsServerName timeoutSeconds auth",
        "vaultAuth": "method mount role roleId namespace tokenEnv tokenFile secretIdEnv secretIdFile wrapped jwtFile jwtEnv github",
        "exec": "type command env cwd parse pointer timeoutSeconds",
        "source": "env file sops pointer ref provider path key version mount args generate store trim encoding allowEmpty",
        "keyRule": "value template json fill optional absent onlyIfPlaceholder",
        "target": "id groups ref keys fields create manifest policy restart verify",
    }
    for name, fields in names.items():
        assert set(SCHEMA["$defs"][name]["properties"]) == set(fields.split()), name


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "message"),
    [
        ("kinds: PatchMap\n", 10, 1, "kinds", "there is no such field"),
        ("defaults: {annotationPolicy: hunter2}\n", 10, 12, "defaults.annotationPolicy", "must be ensure, require, warn or ignore"),
        ("defaults: {force: 'hunter2'}\n", 10, 12, "defaults.force", "must be true or false"),
        ("providers: {p: hunter2}\n", 10, 13, "providers.p", "must be a mapping"),
        ("providers: {p: {type: hunter2}}\n", 10, 17, "providers.p.type", "must be vault or exec"),
        ("providers: {p: {type: exec}}\n", 10, 13, "providers.p", "lacks command"),
        ("providers: {p: {type: vault, addr: hunter2}}\n", 10, 30, "providers.p.addr", "there is no such field"),
        ("providers: {p: {type: vault, caFile: a, caPem: b}}\n", 10, 13, "providers.p", "has both caFile and caPem"),
        ("providers: {p: {type: vault, auth: {method: approle}}}\n", 10, 30, "providers.p.auth", "lacks roleId"),
        ("providers: {p: {type: vault, auth: {method: kubernetes}}}\n", 10, 30, "providers.p.auth", "lacks role"),
        ("providers: {p: {type: vault, timeoutSeconds: 0}}\n", 10, 30, "providers.p.timeoutSeconds", "must be more than 0"),
        ("placeholders: {tokens: []}\n", 10, 16, "placeholders.tokens", "must not be empty"),
        ("placeholders: {tokens: [hunter2]}\n", 10, 25, "placeholders.tokens[0]", "does not match ^[A-Z0-9_<>-]{4,64}$"),
        ("metadata: {3: hunter2}\n", 10, 12, "metadata[?]", "a key must be text: put it in quotes"),
    ],
)
def test_pt_05_an_error_names_line_column_and_field(text: str, line: int, column: int, field: str, message: str) -> None:
    assert one(f"{START}    keys: {{k: a}}\n{text}")[:4] == (line, column, field, message)


@pytest.mark.parametrize(
    ("rules", "column", "field", "message"),
    [
        ("keys: {k: 3}", 12, ".keys.k", "must be text or a mapping"),
        ("keys: {}", 5, ".keys", "must not be empty"),
        ("keys: {k: {}}", 12, ".keys.k", "needs exactly one of value, template, json, fill, absent"),
        ("keys: {k: {value: a, template: b}}", 12, ".keys.k", "needs exactly one of value, template, json, fill, absent"),
        ("keys: {k: {absent: true, optional: true}}", 30, ".keys.k.optional", "must be false"),
        ("keys: {k: {absent: false}}", 16, ".keys.k.absent", "must be true"),
        ("keys: {'k hunter2': a}", 12, ".keys[?]", "cannot be a name here: it does not match ^[-._A-Za-z0-9]{1,253}$"),
        ("keys: {k: {fill: {x: a}}}", 23, ".keys.k.fill.x", "cannot be a name here: it does not match ^(/([^~/]|~[01])*)+$"),
        ("keys: {k: {json: hunter2}}", 16, ".keys.k.json", "must be a list or a mapping"),
        ("manifest: x", 5, "", "needs exactly one of keys, fields"),
        ("keys: {k: a}\n    fields: {/x: a}", 5, "", "needs exactly one of keys, fields"),
        ("keys: {k: a}\n    create: hunter2", 5, ".create", "must be from-manifest or a mapping"),
        ("keys: {k: a}\n    create: {types: hunter2}", 14, ".create.types", "there is no such field"),
        ("keys: {k: a}\n    restart: always", 5, ".restart", "must be auto or a list"),
        ("keys: {k: a}\n    restart: [{kind: hunter2, name: x}]", 16, ".restart[0].kind", "must be Deployment, StatefulSet or DaemonSet"),
        ("keys: {k: a}\n    groups: [a, a]", 5, ".groups", "has an entry twice"),
        ("keys: {k: a}\n    verify: {}", 5, ".verify", "lacks command"),
    ],
)
def test_pt_05_an_error_in_a_target_names_its_field(rules: str, column: int, field: str, message: str) -> None:
    found = one(f"{START}    {rules}\n")
    assert (found.column, found.field, found.message) == (column, f"targets[0]{field}", message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}", "needs exactly one of env, file, sops, provider, ref, generate"),
        ("{env: A, file: b}", "needs exactly one of env, file, sops, provider, ref, generate"),
        ("{env: A, path: p}", "lacks provider"),
        ("{env: A, store: {provider: p, path: x, key: y}}", "lacks generate"),
        ("{generate: {type: hex}, trim: none}", "does not belong here"),
        ("{generate: {type: hex, bytes: 15}}", "must be at least 16"),
        ("{generate: {type: hex, bytes: 1025}}", "must be at most 1024"),
        ("{generate: {bytes: 32}}", "lacks type"),
        ("{env: 'hunter2 x'}", "does not match ^[A-Za-z_][A-Za-z0-9_]*$"),
        ("{provider: nobody, path: x}", "is not in providers"),
        ("{provider: kv}", "lacks path"),
        ("{provider: kv, path: x, args: {a: b}}", "is for programs"),
        ("{provider: old, path: x, version: 1}", "is for KV version 2"),
        ("{provider: run, args: {id: x}, path: p}", "is for Vault"),
        ("{provider: run}", "lacks id"),
        ("{provider: run, args: {id: x, more: y}}", "has no place in the command"),
        ("{generate: {type: hex}, store: {provider: nobody, path: x, key: y}}", "is not in providers"),
        ("{generate: {type: hex}, store: {provider: run, path: x, key: y}}", "is a program, which keeps nothing"),
    ],
)
def test_pt_05_a_source_that_does_not_fit_is_an_error(source: str, message: str) -> None:
    providers = "providers: {kv: {type: vault}, old: {type: vault, kvVersion: 1}, run: {type: exec, command: [x, 'a{id}']}}\n"
    found = one(f"{HEAD}{providers}values:\n  a: {source}\ntargets:\n{TARGET}    keys: {{k: a}}\n")
    assert (found.line, found.message) == (5, message)
    assert found.field.startswith("values.a")


def test_pt_05_a_reference_that_names_nothing_is_an_error() -> None:
    found = one(f"{HEAD}values:\n  a: {{ref: 'ref+ftp://x/y'}}\ntargets:\n{TARGET}    keys: {{k: a}}\n")
    assert (found.line, found.field) == (4, "values.a.ref")


@pytest.mark.parametrize("word", ["self", "none", "not", "in"])
def test_pt_05_a_word_of_templates_is_no_name_of_a_value(word: str) -> None:
    found = one(f"{HEAD}values:\n  '{word}': {{env: A}}\ntargets:\n{TARGET}    keys: {{k: x}}\n".replace("keys: {k: x}", f"keys: {{k: '{word}'}}"))
    assert (found.line, found.field) == (4, f"values.{word}")


def test_pt_05_all_errors_are_said_at_once() -> None:
    text = f"{HEAD}defaults: {{force: 1}}\n{VALUES}targets:\n{TARGET}    keys: {{k: nobody}}\n{TARGET}    fields: {{/x: a}}\n    more: 1\n"
    text += TARGET + "    keys:\n      k: {template: '{{ a | nothing }}'}\n"
    assert [(problem.line, problem.field) for problem in problems(text)] == [
        (3, "defaults.force"),
        (10, "targets[0].keys.k"),
        (14, "targets[1].more"),
        (15, "targets[2].id"),
        (18, "targets[2].keys.k.template"),
    ]


def test_pt_05_an_error_has_the_exit_code_of_a_configuration_and_names_the_file() -> None:
    with pytest.raises(InvalidMapError) as raised:
        load(START, file="patch.yaml")
    assert raised.value.code == Outcome.CONFIGURATION
    assert str(raised.value) == "patch.yaml: line 7, column 5: targets[0]: needs exactly one of keys, fields"


def test_pt_05_several_errors_have_a_line_each() -> None:
    with pytest.raises(InvalidMapError) as raised:
        load("kind: Map\n", file="patch.yaml")
    lines = str(raised.value).splitlines()
    assert lines[0] == "patch.yaml: 3 things are wrong with the map"
    assert "  line 1, column 1: kind: must be PatchMap" in lines


@pytest.mark.parametrize("text", ["", "a: [", "- a\n", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "3\n", "null\n", "a: &x [*x]\n", "\x00"])
def test_pt_05_what_is_no_map_at_all_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(text, file="patch.yaml")
    assert raised.value.code == Outcome.CONFIGURATION
    assert raised.value.file == "patch.yaml"


def test_pt_05_aliases_that_grow_without_end_are_refused() -> None:
    rows = "".join(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12))
    with pytest.raises(ConfigError, match="aliasing"):
        load("a0: &a0 [x]\n" + rows)


def test_pt_05_a_map_with_too_many_fields_is_refused() -> None:
    with pytest.raises(ConfigError, match="too many fields"):
        load(f"a: [{'1, ' * 100_001}]")


def test_pt_05_deep_nesting_is_refused() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        load("a: " + "[" * 90 + "]" * 90)


def test_pt_05_merge_keys_are_followed() -> None:
    first = "  - &first\n    id: x\n    ref: {kind: Secret, namespace: n, name: s}\n    keys: {k: a}\n"
    text = f"{HEAD}{VALUES}targets:\n{first}  - {{<<: *first, id: y}}\n"
    assert [(each.id, list(each.rules)) for each in load(text).targets] == [("x", ["k"]), ("y", ["k"])]


# ---- what must not be said -----------------------------------------------------------------------------------------------------------------------


def spoilt(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of everything in a map."""
    yield path
    entries: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in entries:
        yield from spoilt(inner, (*path, key))


@pytest.mark.parametrize("wrong", [MARKER, [MARKER], {"type": MARKER}, f"{{{{ {MARKER} }}}}", f"{{{{ '{MARKER}", f"{MARKER} \u00e9"])
def test_pt_04_no_error_quotes_what_the_map_says(wrong: Any) -> None:
    from secrettool.yamlfile.located import LocatedYaml

    data = LocatedYaml(EXAMPLE).data
    for path in list(spoilt(data))[1:]:
        changed = copy.deepcopy(data)
        node = changed
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = wrong
        try:
            load(json.dumps(changed))
        except SecrettoolError as error:
            assert MARKER not in f"{error} {error.hint} {error.__cause__} {error.__context__}", path


@given(text=st.text(alphabet="ab:{}[]-&*!|>'\"# \n<%?,\u00e9\x00", max_size=60))
@settings(max_examples=300, deadline=None)
def test_pt_04_any_text_loads_or_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        load(text)


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "a", "env", "type", "id", "ref", "keys"]), inner)
        ),
        max_leaves=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_pt_05_whatever_the_fields_hold_is_refused_in_our_words(data: Any) -> None:
    whole = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "PatchMap", "targets": [data], "values": {"v": data}, "providers": {"p": data}}
    with pytest.raises(ConfigError) as raised:
        load(json.dumps(whole))
    assert "is not as the schema wants it" not in str(raised.value)


# ---- key forms -----------------------------------------------------------------------------------------------------------------------------------


def test_pt_06_the_forms_of_a_key() -> None:
    assert rule("a") == KeyRule(ValueForm("a"), frozenset("a"), frozenset("a"), line=9)
    assert rule("{value: a}").form == ValueForm("a")
    assert rule("{template: 'x{{ a }}'}").form == TemplateForm(Template("x{{ a }}", frozenset("a"), frozenset("a")))
    assert rule("{absent: true}").form == AbsentForm()
    assert rule("{fill: {/x: y}}").form == FillForm({"/x": Template("y")})


def test_pt_06_a_tree_of_json_keeps_order_and_what_is_no_text() -> None:
    found = rule("{json: {z: '{{ a }}', a: [1, 1.5, true, null, '{{ b }}']}}")
    assert isinstance(found.form, JsonForm)
    assert isinstance(found.form.tree, dict)
    assert list(found.form.tree) == ["z", "a"]
    inner = found.form.tree["a"]
    assert isinstance(inner, tuple)
    assert inner[:4] == (1, 1.5, True, None)
    assert found.names == {"a", "b"}


def test_pt_06_a_value_with_a_default_is_used_but_not_required() -> None:
    found = rule("{template: \"{{ a | default('x') }}{{ b }}\"}")
    assert (found.names, found.required) == (frozenset("ab"), frozenset("b"))


def test_pt_06_an_error_in_a_template_names_its_line_in_the_file() -> None:
    text = START + "    keys:\n      k:\n        template: |\n          one\n          {{ a }}\n          {{ a | nothing }}\n"
    assert one(text)[:3] == (14, 1, "targets[0].keys.k.template")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ("{template: '{{ x }}'}", "template"),
        ("{json: {y: ['{{ x }}']}}", "json.y[0]"),
        ("{fill: {/y: '{{ x }}'}}", 'fill["/y"]'),
        ("{value: x}", "value"),
    ],
)
def test_pt_06_an_unknown_value_is_an_error(form: str, field: str) -> None:
    found = one(f"{START}    keys: {{k: {form}}}\n")
    assert (found.field, found.hint) == (f"targets[0].keys.k.{field}", "values: a, b")


def test_pt_07_a_policy_of_a_target_changes_that_of_the_map() -> None:
    text = START.replace("targets:", "defaults: {onMissingValue: skip, annotationPolicy: warn}\ntargets:")
    loaded = load(text + "    policy: {annotationPolicy: require, scrubLastApplied: false}\n    keys: {k: a}\n")
    assert loaded.defaults == TargetPolicy("warn", on_missing_value="skip")
    assert loaded.targets[0].policy == TargetPolicy("require", on_missing_value="skip", scrub_last_applied=False)


@pytest.mark.parametrize(("source", "policy", "expected"), [("", "", False), ("", "true", True), ("true", "", True), ("false", "true", False)])
def test_pt_07_the_source_says_whether_it_may_be_empty_else_the_policy(source: str, policy: str, expected: bool) -> None:
    says = f", allowEmpty: {source}" if source else ""
    target_says = f"    policy: {{allowEmpty: {policy}}}\n" if policy else ""
    loaded = load(START.replace("{env: A}", f"{{env: A{says}}}") + target_says + "    keys: {k: a}\n")
    assert loaded.may_be_empty("a", loaded.targets[0]) is expected
    assert loaded.values["a"] == EnvSource("A", Form(allow_empty=expected))


def test_pt_08_only_if_placeholder_is_read() -> None:
    assert rule("{value: a, onlyIfPlaceholder: true}").only_if_placeholder
    assert not rule("a").only_if_placeholder


@pytest.mark.parametrize(
    ("rest", "field", "message"),
    [
        ("ref: {kind: Secret, name: s}\n    keys: {k: a}", "ref", "lacks namespace"),
        ("ref: {kind: Secret, name: s, namespace: x, namespaces: [y]}\n    keys: {k: a}", "ref", "has both namespace and namespaces"),
        ("ref: {kind: ConfigMap, namespace: n, name: s}\n    keys: {k: a}", "keys", "is for Secrets"),
        ("ref: {kind: Secret, namespace: n, name: s}\n    fields: {/data/k: a}", "fields", "is for other kinds than Secrets"),
        (
            "ref: {kind: ConfigMap, namespace: n, name: s}\n    create: {}\n    fields: {/data/k: a}",
            "create",
            "makes a Secret, and the target is none",
        ),
        (
            "ref: {kind: ConfigMap, namespace: n, name: s}\n    restart: auto\n    fields: {/data/k: a}",
            "restart",
            "finds what uses a Secret, and the target is none",
        ),
        (
            "ref: {kind: ConfigMap, namespace: n, name: s}\n    fields: {/metadata/name: a}",
            'fields["/metadata/name"]',
            "is not for patches: it says which object it is, or belongs to the server",
        ),
    ],
)
def test_pt_09_a_target_that_does_not_fit_is_an_error(rest: str, field: str, message: str) -> None:
    found = one(f"{HEAD}{VALUES}targets:\n  - id: x\n    {rest}\n")
    assert (found.field, found.message) == (f"targets[0].{field}", message)


def test_pt_09_create_is_read() -> None:
    assert load(START + "    keys: {k: a}\n    create: {}\n").targets[0].create == NewSecret("Opaque")
    assert load(START + "    keys: {k: a}\n    create: from-manifest\n").targets[0].create == "from-manifest"
