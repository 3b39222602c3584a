"""deploy/k8s: what kustomize would put together fits together. There is no kustomize here, so these tests read its files themselves."""

from __future__ import annotations

import re

import pytest
import yaml

from deployment import DEPLOY, compose, containers, kustomization, listed, manifests, parsed, pods
from labelmill.errors import BadSettings
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import env_name

K8S = DEPLOY / "k8s"
FOLDERS = ("base", "example")
OBJECTS = manifests()
PODS = pods(OBJECTS)
CONTAINERS = {f"{name} {one['name']}": one for name, pod in PODS.items() for one in containers(pod)}
SETTINGS = {env_name(name) for name in Settings.model_fields}
EXAMPLE = (K8S / "example/secrets.env.example").read_text()


def _of_kind(kind):
    return [one for one in OBJECTS if one["kind"] == kind]


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_kustomization_lists_the_files_of_its_folder(folder):
    """Nothing that is listed is missing, and nothing that lies there is forgotten."""
    there = {path for path in (K8S / folder).glob("*.yaml") if path.name != "kustomization.yaml"}
    assert set(listed(K8S / folder)) == there
    for name in kustomization(folder)["resources"]:
        assert (K8S / folder / name).exists()


def test_the_example_stands_on_the_base():
    assert "../base" in kustomization("example")["resources"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_kustomization_has_only_fields_that_kustomize_knows(folder):
    known = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "secretGenerator", "images", "replicas"}
    assert set(kustomization(folder)) <= known
    assert (kustomization(folder)["apiVersion"], kustomization(folder)["kind"]) == (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    )


def test_the_parts_are_there():
    names = {(one["kind"], one["metadata"]["name"]) for one in OBJECTS}
    assert names == {
        ("PersistentVolumeClaim", "labelmill-data"),
        ("Job", "labelmill-migrate"),
        ("Deployment", "labelmill-web"),
        ("Deployment", "labelmill-worker"),
        ("Deployment", "labelmill-learner"),
        ("Deployment", "labelmill-predictor"),
        ("Deployment", "labelmill-archiver"),
        ("Service", "labelmill"),
    }


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_runs_a_command_of_compose(name):
    """The commands are those of the compose file, which are started by an acceptance test."""
    services = compose(SECRETS_DIR="/x")["services"]
    known = [service["command"] for service in services.values() if "build" in service]
    known.append(["labelmill", "db", "check"])  # what pods wait for
    assert CONTAINERS[name]["command"] in known
    assert parsed(CONTAINERS[name]["command"])


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_may_do_little_and_takes_no_more_than_it_is_given(name):
    context, resources = CONTAINERS[name]["securityContext"], CONTAINERS[name]["resources"]
    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(resources["limits"]) == set(resources["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_nobody_special(name):
    context = PODS[name]["securityContext"]
    assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {10001}
    assert "USER 10001:10001" in (DEPLOY / "Containerfile").read_text()
    assert PODS[name]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", PODS)
def test_no_service_puts_names_like_ours_into_the_environment(name):
    """A service called labelmill would otherwise set LABELMILL_PORT to tcp://..., which is no port."""
    assert PODS[name]["enableServiceLinks"] is False


def _generated(kind):
    return {one["name"] for folder in FOLDERS for one in kustomization(folder).get(kind, ())}


@pytest.mark.parametrize("name", CONTAINERS)
def test_settings_and_secrets_that_a_container_names_are_made(name):
    sources = CONTAINERS[name]["envFrom"]
    assert {one["configMapRef"]["name"] for one in sources if "configMapRef" in one} == _generated("configMapGenerator")
    assert {one["secretRef"]["name"] for one in sources if "secretRef" in one} == _generated("secretGenerator")


@pytest.mark.parametrize("name", PODS)
def test_volumes_are_claimed_and_mounted(name):
    volumes = {one["name"]: one for one in PODS[name]["volumes"]}
    claims = {one["persistentVolumeClaim"]["claimName"] for one in volumes.values() if "persistentVolumeClaim" in one}
    assert claims == {one["metadata"]["name"] for one in _of_kind("PersistentVolumeClaim")}
    for container in containers(PODS[name]):
        assert {one["name"]: one["mountPath"] for one in container["volumeMounts"]} == {"data": "/data", "scratch": "/tmp"}
        assert {one["name"] for one in container["volumeMounts"]} == set(volumes)


def test_several_nodes_may_write_to_the_claim():
    assert _of_kind("PersistentVolumeClaim")[0]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_selectors_find_the_pods_that_they_are_for():
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in OBJECTS if one["kind"] in PODS_OF
    }
    for one in _of_kind("Deployment"):
        own = one["metadata"]["name"]
        assert _found(one["spec"]["selector"]["matchLabels"], labels) == [own]
    assert _found(_of_kind("Service")[0]["spec"]["selector"], labels) == ["labelmill-web"]


PODS_OF = ("Deployment", "Job")


def _found(selector, labels):
    return [name for name, own in labels.items() if selector.items() <= own.items()]


def test_the_service_leads_to_the_port_that_web_listens_on():
    web = CONTAINERS["labelmill-web web"]
    ports = {one["name"]: one["containerPort"] for one in web["ports"]}
    (port,) = _of_kind("Service")[0]["spec"]["ports"]
    assert ports[port["targetPort"]] == int(_literals("base")["LABELMILL_PORT"]) == port["port"]


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_web_is_asked_at_addresses_that_it_has(probe, site):
    """Only readiness may depend on other servers: a database that is away is no reason to kill a process."""
    asked = CONTAINERS["labelmill-web web"][probe]
    assert asked["httpGet"]["port"] in {one["name"] for one in CONTAINERS["labelmill-web web"]["ports"]}
    assert asked["httpGet"]["path"] == ("/readyz" if probe == "readinessProbe" else "/healthz")
    # A probe names the pod by its address, which is none of ours.
    answer = site.ask("GET", asked["httpGet"]["path"], headers={"Host": "10.1.2.3:8700"})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["worker", "learner", "predictor", "archiver"])
def test_a_worker_is_asked_by_a_command_and_is_not_killed_for_its_database(name):
    worker = CONTAINERS[f"labelmill-{name} {name}"]
    asked = parsed(worker["readinessProbe"]["exec"]["command"])
    assert (asked["verb"], asked["check"]) == ("labelmill jobs workers", True)
    assert asked["at_least"] == parsed(worker["command"]).get("concurrency", 1)
    assert worker["readinessProbe"]["timeoutSeconds"] > Settings.model_fields["lease_seconds"].default
    assert "livenessProbe" not in worker


@pytest.mark.parametrize(
    "name", ["labelmill-web", "labelmill-worker", "labelmill-learner", "labelmill-predictor", "labelmill-archiver"]
)
def test_a_pod_waits_for_the_schema_and_has_time_to_stop(name):
    first = PODS[name]["initContainers"][0]
    assert parsed(first["command"])["verb"] == "labelmill db check"
    assert PODS[name]["terminationGracePeriodSeconds"] > Settings.model_fields["stop_seconds"].default + 5


@pytest.mark.parametrize("name", ["labelmill-worker", "labelmill-learner", "labelmill-predictor", "labelmill-archiver"])
def test_workers_of_two_versions_do_not_run_beside_each_other(name):
    worker = next(one for one in _of_kind("Deployment") if one["metadata"]["name"] == name)
    assert worker["spec"]["strategy"] == {"type": "Recreate"}


def test_a_workers_memory_is_enough_for_its_processes():
    limit = CONTAINERS["labelmill-worker worker"]["resources"]["limits"]["memory"]
    processes = parsed(CONTAINERS["labelmill-worker worker"]["command"])["concurrency"]
    assert int(limit.removesuffix("Gi")) * 1024 >= processes * Settings.model_fields["memory_mb"].default + 1024


def _literals(folder):
    lines = [line for one in kustomization(folder)["configMapGenerator"] for line in one["literals"]]
    return dict(line.split("=", 1) for line in lines)


def _example():
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_every_name_in_the_environment_is_a_setting():
    assert set(_literals("base")) | set(_literals("example")) | set(_example()) <= SETTINGS


def test_the_example_alone_is_refused(tmp_path):
    """Copied and not filled in it starts nothing: its secret can be guessed."""
    (tmp_path / "none.env").touch()
    plain = _literals("base") | _literals("example") | {"LABELMILL_DATA_DIR": str(tmp_path)}
    with pytest.raises(BadSettings, match="LABELMILL_SECRET"):
        load_settings({}, plain | _example(), tmp_path / "none.env")
    filled = _example() | {"LABELMILL_SECRET": "0f7c1d9a4e6b8532c7d1a9e4f0b36285"}
    settings = load_settings({}, plain | filled, tmp_path / "none.env")
    assert (settings.warnings, settings.host, settings.port) == ((), "0.0.0.0", 8700)


def test_secrets_come_from_a_file_that_is_not_there_and_from_nowhere_else():
    """Without it kustomize builds nothing; no manifest holds a secret."""
    (secret,) = kustomization("example")["secretGenerator"]
    assert secret == {"name": "labelmill-secrets", "envs": ["secrets.env"]}
    assert _of_kind("Secret") == []
    assert all("env" not in container for container in CONTAINERS.values())


def test_the_image_is_one_and_settable():
    (image,) = kustomization("example")["images"]
    for container in CONTAINERS.values():
        name, _, tag = container["image"].partition(":")
        assert (name, tag) == (image["name"], "production")
    assert image["newTag"] != "latest"


def test_the_replicas_that_the_example_sets_are_those_of_a_deployment():
    names = {one["metadata"]["name"] for one in _of_kind("Deployment")}
    assert {one["name"] for one in kustomization("example")["replicas"]} <= names


def test_the_namespace_is_made_and_lets_these_pods_in():
    (namespace,) = manifests("example")
    assert namespace["metadata"]["name"] == kustomization("example")["namespace"]
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_no_object_names_a_namespace_of_its_own():
    assert [one["metadata"]["name"] for one in OBJECTS if "namespace" in one["metadata"]] == []


def test_yaml_says_each_key_once():
    """A key that stands twice is taken once, in silence."""

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [loader.construct_object(key) for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: {keys}"
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    for path in [*K8S.rglob("*.yaml"), *DEPLOY.glob("*.yaml")]:
        assert list(yaml.load_all(path.read_text(), Strict))
