"""What can be said of the files under `deploy/` without kustomize and without a cluster."""

from __future__ import annotations

import re

import pytest
import yaml

from secrettool import __version__
from secrettool.sidecar.config import Config, DirSource
from secrettool.sidecar.loading import load
from secrettool.sidecar.metrics import Metrics
from secrettool.sidecar.state import Board, SourceState
from tests.deploy.dockerfile import Stage, is_left_out, read_dockerfile
from tests.deploy.manifests import COMPONENTS, CONFIGURATIONS, DEPLOY, ROOT, containers_of, lying_in, pods_of
from tests.interop.peers.apiclient import Json

RENDER = "render-sidecar"


def stages() -> list[Stage]:
    return read_dockerfile((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))


def configuration(name: str) -> Config:
    return load(CONFIGURATIONS[name].read_text(encoding="utf-8"), namespace="secrettool", file=name)


def template(*parts: str) -> Json:
    ((_, found),) = pods_of(lying_in(*parts))
    return found


def secrettool_container(pod: Json) -> Json:
    (found,) = (each for each in containers_of(pod) if each["name"] == "secrettool")
    return found


# --- the image ---


def test_image_tag_and_label_are_the_version() -> None:
    component = yaml.safe_load((DEPLOY / "components/image/kustomization.yaml").read_text(encoding="utf-8"))
    assert component["images"] == [{"name": "secrettool", "newTag": __version__}]
    assert stages()[-1].arguments["VERSION"] == __version__
    said = re.findall(r"secrettool:(\d+\.\d+\.\d+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    assert set(said) == {__version__}


def test_every_manifest_takes_the_tag_from_one_place() -> None:
    images = [each["image"] for _, pod in pods_of(lying_in("overlays")) for each in containers_of(pod) if each["name"] == "secrettool"]
    assert images == ["secrettool"] * 3


def test_image_runs_as_a_number_that_is_not_root_and_without_health_check() -> None:
    last = stages()[-1]
    users = [step.words for step in last.steps if step.name == "USER"]
    assert users == ["65532:65532"]
    assert [step.words for step in last.steps if step.name == "HEALTHCHECK"] == ["NONE"]
    # Nothing is done as root in the image that is shipped: its stage only copies.
    assert {step.name for step in last.steps} == {"LABEL", "ENV", "COPY", "WORKDIR", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_base_images_are_arguments_that_take_a_digest() -> None:
    outside = {stage.base for stage in stages()} - {stage.name for stage in stages()}
    assert outside == {"${PYTHON_IMAGE}", "${KUSTOMIZE_IMAGE}", "programs-${KUSTOMIZE}"}


def test_everything_that_pip_installs_is_held_to_hashes_or_lies_there() -> None:
    calls = [call for stage in stages() for step in stage.steps if step.name == "RUN" for call in re.split(r"&&|;", step.words) if " pip " in call]
    assert len(calls) == 4
    for call in calls:
        assert "--require-hashes" in call or "--no-index" in call, call


def test_kustomize_is_the_version_that_the_tests_run() -> None:
    wanted = re.search(r"sigs\.k8s\.io/kustomize/kustomize/v5 (v[\d.]+)", (ROOT / "tests/interop/programs/kustomize/go.mod").read_text("utf-8"))
    assert wanted is not None
    assert f"KUSTOMIZE_IMAGE=registry.k8s.io/kustomize/kustomize:{wanted[1]}\n" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_builder_gets_what_is_copied_and_nothing_else() -> None:
    ignorefile = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    kept = ["README.md", "pyproject.toml", "requirements/sidecar.txt", "secrettool/sops/mac.py", "secrettool/schemas/sidecar.v1alpha1.schema.json"]
    left = ["keys-example/keys/alice.agekey", ".git/config", "requirements/test.txt", "tests/conftest.py", "secrettool/__pycache__/x.pyc", ".env"]
    assert [path for path in kept if is_left_out(path, ignorefile)] == []
    assert [path for path in left if not is_left_out(path, ignorefile)] == []


def test_requirements_of_the_image_are_those_of_the_core_and_more() -> None:
    core, image = (set((ROOT / "requirements" / name).read_text("utf-8").split("\n")) for name in ("core.txt", "sidecar.txt"))
    more = {line.split("==")[0] for line in image - core if "==" in line}
    assert core <= image
    assert more == {"prometheus-client", "waitress"}


# --- configurations ---


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration_is_valid(name: str) -> None:
    assert [source.id for source in configuration(name).sources] == ["shop"]


@pytest.mark.parametrize("name", ["apply", "job", RENDER])
def test_configuration_reads_and_writes_what_is_mounted(name: str) -> None:
    (source,) = configuration(name).sources
    pod = template("overlays", name)
    mounts = {mount["mountPath"]: mount for mount in secrettool_container(pod)["volumeMounts"]}
    assert source.keys.folder is not None
    assert mounts[source.keys.folder]["readOnly"]
    if isinstance(source.origin, DirSource):
        assert mounts[source.origin.path]["readOnly"]
    # Where files in memory are put when a build must read them.
    (memory,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == mounts["/dev/shm"]["name"])
    assert memory["emptyDir"]["medium"] == "Memory"


def test_component_git_sync_reads_its_link() -> None:
    (source,) = configuration("git-sync").sources
    pod = template("components", "git-sync")
    (sync,) = (each for each in containers_of(pod) if each["name"] == "git-sync")
    given = dict(argument.lstrip("-").split("=", 1) for argument in sync["args"])
    assert source.origin == DirSource(f"{given['root']}/{given['link']}")
    assert given["root"].startswith(secrettool_container(pod)["volumeMounts"][0]["mountPath"] + "/")


@pytest.mark.parametrize("name", ["apply", RENDER])
def test_port_is_the_same_in_configuration_pod_and_network_policy(name: str) -> None:
    port = configuration(name).http.port
    container = secrettool_container(template("overlays", name))
    assert container["ports"] == [{"name": "secrettool", "containerPort": port}]
    assert all(container[probe]["httpGet"]["port"] == "secrettool" for probe in container if probe.endswith("Probe"))
    policies = [each for each in lying_in("overlays", name) if each["kind"] == "NetworkPolicy"]
    (policy,) = (each for each in policies if each["metadata"]["name"] == "secrettool")
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"port": port, "protocol": "TCP"}]]


# --- pods ---


def test_da_45_root_file_systems_are_read_only_and_nothing_secret_is_an_argument() -> None:
    pods = [pod for _, pod in pods_of(lying_in("overlays") + lying_in("components"))]
    assert len(pods) == 4
    for pod in pods:
        for container in containers_of(pod):
            if "image" not in container:
                continue  # a patch
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not any("secretKeyRef" in str(variable) for variable in container.get("env", ()))
            assert "memory" in container["resources"]["limits"]


def test_da_50_render_is_a_native_sidecar_that_the_application_waits_for() -> None:
    pod = template("overlays", RENDER)
    (source,) = configuration(RENDER).sources
    assert source.render is not None
    (sidecar,) = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/startupz"
    assert "readinessProbe" not in sidecar  # old files are better than no application

    (written,) = (mount for mount in sidecar["volumeMounts"] if mount["mountPath"] == source.render.target)
    (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == written["name"])
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}
    assert not written.get("readOnly")
    (application,) = pod["spec"]["containers"]
    (read,) = (mount for mount in application["volumeMounts"] if mount["name"] == written["name"])
    assert read["readOnly"] is True
    assert "subPath" not in read
    # It reads by its group, and is not the user who owns the files.
    assert pod["spec"]["securityContext"]["fsGroup"] == sidecar["securityContext"]["runAsGroup"] == pod["spec"]["securityContext"]["runAsGroup"]
    assert sidecar["securityContext"]["runAsUser"] != pod["spec"]["securityContext"]["runAsUser"]


def test_render_has_no_token_and_no_rights() -> None:
    objects = lying_in("overlays", RENDER)
    assert template("overlays", RENDER)["spec"]["automountServiceAccountToken"] is False
    assert not {each["kind"] for each in objects} & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
    assert configuration(RENDER).events is False


# --- rights ---


def test_da_53_roles_name_the_leases_and_inventories_of_the_configuration() -> None:
    sources = configuration("apply").sources
    roles = {each["metadata"]["name"]: each["rules"] for each in lying_in("overlays", "apply") if each["kind"] == "Role"}
    (leases,) = (rule for rule in roles["secrettool"] if "resourceNames" in rule)
    assert leases["resourceNames"] == [source.lease for source in sources]
    (inventories,) = (each["rules"][0] for each in lying_in("components", "prune") if each["kind"] == "Role")
    assert inventories["resourceNames"] == [source.inventory for source in sources]


def test_da_53_no_rule_is_cluster_wide_or_general() -> None:
    objects = lying_in()
    assert not {each["kind"] for each in objects} & {"ClusterRole", "ClusterRoleBinding"}
    for role in (each for each in objects if each["kind"] == "Role"):
        for rule in role["rules"]:
            assert "*" not in (*rule["verbs"], *rule["resources"], *rule["apiGroups"])
            if "secrets" in rule["resources"]:
                assert rule["resourceNames"]
                assert rule["verbs"] == ["get", "patch", "create"]


# --- watching ---


def test_alerts_ask_for_figures_that_there_are() -> None:
    metrics = Metrics(Board("0", 0.0, (SourceState(id="shop", mode="apply", kind="dir", last_success=1.0, lease="secrettool-shop", revision="r"),)))
    metrics.refused("HK150", 1)
    known = set(re.findall(r"^(secrettool_\w+)", metrics.text().decode(), re.MULTILINE))
    (rules,) = lying_in("components", "alerts")
    asked = {name for group in rules["spec"]["groups"] for rule in group["rules"] for name in re.findall(r"secrettool_\w+", rule["expr"])}
    assert asked
    assert asked <= known


def test_alerts_of_the_documentation_are_those_that_there_are() -> None:
    (rules,) = lying_in("components", "alerts")
    shipped = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    guide, reference = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("guide/sidecar.md", "reference/sidecar-http.md"))
    assert set(re.findall(r"\| `(Secrettool\w+)` \|", guide)) == shipped
    assert set(re.findall(r"alert: (\w+)", reference)) <= shipped


def test_every_component_is_one() -> None:
    assert tuple(sorted(path.name for path in (DEPLOY / "components").iterdir())) == COMPONENTS
    for name in COMPONENTS:
        assert yaml.safe_load((DEPLOY / "components" / name / "kustomization.yaml").read_text(encoding="utf-8"))["kind"] == "Component"
