"""deploy/compose*.yaml and deploy/Containerfile: what they say is real, settable, pinned and holds no secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import deployment
from deployment import DEPLOY, ROOT, Missing, compose, compose_variables, parsed
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import env_name

SECRETS = {"SECRETS_DIR": "./secrets"}
STACK = compose(**SECRETS)
SERVICES = STACK["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
THEIRS = {name: service for name, service in SERVICES.items() if "build" not in service}
SETTINGS = {env_name(name) for name in Settings.model_fields}
PORTS = {
    "web": {"WEB_PORT": "8700"},
    "postgres": {"POSTGRES_PORT": "5432"},
    "mariadb": {"MARIADB_PORT": "3306"},
    "redis": {"REDIS_PORT": "6379"},
    "rabbitmq": {"RABBITMQ_PORT": "5672", "RABBITMQ_PAGES_PORT": "15672"},
    "pgadmin": {"PGADMIN_PORT": "5342"},
}
OLD_PORTS = {"LABELFORWARD_PORT": "3050", "AUDIENCE_PORT": "8000", "DATA_PIPELINE_PORT": "8080"}
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
GUIDE = (ROOT / "docs/how-to/deploy.md").read_text()


def test_every_service_of_the_guide_is_there():
    assert set(OURS) == {"migrate", "web", "worker", "learner", "predictor", "archiver"}
    assert set(THEIRS) == {"postgres", "mariadb", "redis", "rabbitmq", "pgadmin"}
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == [
        "learner",
        "predictor",
        "archiver",
        "pgadmin",
    ]


@pytest.mark.parametrize(
    ("name", "verb"),
    [("migrate", "db upgrade"), *((name, name) for name in ("web", "worker", "learner", "predictor", "archiver"))],
)
def test_l27_a_command_is_one_that_labelmill_understands(name, verb):
    assert parsed(OURS[name]["command"])["verb"] == f"labelmill {verb}"


def test_a_command_that_labelmill_has_not_is_found():
    """The check above can fail."""
    for command in (["labelmill", "serve"], ["labelmill", "worker", "--threads", "2"]):
        with pytest.raises(Exception, match="No such"):
            parsed(command)


def test_the_number_of_processes_is_settable():
    command = compose(**SECRETS, WORKER_PROCESSES="4")["services"]["worker"]["command"]
    assert parsed(command)["concurrency"] == 4


@pytest.mark.parametrize("variables", [{}, {"SECRETS_DIR": ""}])
@pytest.mark.parametrize("name", STACK["secrets"])
def test_no_secret_has_a_default(name, variables):
    raw = deployment.yaml.safe_load((DEPLOY / "compose.yaml").read_text())["secrets"][name]["file"]
    with pytest.raises(Missing, match=r"SECRETS_DIR: .*docs/how-to/deploy\.md"):
        deployment.interpolated(raw, variables)
    assert deployment.interpolated(raw, {"SECRETS_DIR": "/safe"}) == f"/safe/{name}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_names_the_secrets_that_it_reads(name):
    service = SERVICES[name]
    read = set(re.findall(r"/run/secrets/(\w+)", str(service)))
    assert read <= set(service.get("secrets", ()))
    assert set(service.get("secrets", ())) <= set(STACK["secrets"])
    if name in THEIRS:
        assert read == set(service["secrets"])


def _files():
    """Return the files that git has or would take."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "deploy"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("name", [name for name in _files() if not name.endswith(".py")])
def test_no_file_holds_a_secret(name):
    """Whatever is called a password, secret or token is a path, a reference, or nothing."""
    named = re.compile(r"""^\s*-?\s*["']?(\w*(?:PASS|SECRET|TOKEN|_KEY)\w*)["']?\s*[:=]\s*(\S.*)$""", re.IGNORECASE)
    allowed = re.compile(r"^(\.?/|</run/secrets/|\"\$\$\(cat /run/secrets/|change-me$|false$|\[)")
    for line in (ROOT / name).read_text().splitlines():
        if (found := named.match(line)) and not line.lstrip().startswith("#"):
            assert allowed.match(found[2]), f"{name}: {line.strip()}"
        for password in re.findall(r"://[^:/\s@]*:([^@\s]+)@", line):
            assert password.startswith("</run/secrets/") or password == "PASSWORD", f"{name}: {line.strip()}"


@pytest.mark.parametrize("name", OURS)
def test_its_environment_is_made_of_settings_that_labelmill_accepts(name, tmp_path):
    """Every name is a setting, and all values together are taken, once secrets stand in their places."""
    environment = {key: str(value) for key, value in OURS[name]["environment"].items()}
    assert set(environment) <= SETTINGS
    filled = {
        key: re.sub(r"</run/secrets/\w+>", "0f7c1d9a4e6b8532c7d1a9e4f0b36285", value).replace("/data", str(tmp_path))
        for key, value in environment.items()
    }
    (tmp_path / "none.env").touch()
    settings = load_settings({}, filled, tmp_path / "none.env")
    assert settings.warnings == ()
    assert (settings.host, settings.port) == ("0.0.0.0", 8700)


def test_the_other_database_and_broker_of_the_example_are_accepted(tmp_path):
    lines = re.findall(r"^# (DATABASE_URL|BROKER_URL)=(.+)$", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE)
    assert len(lines) == 2
    environment = compose(**SECRETS, **dict(lines))["services"]["web"]["environment"]
    assert environment["LABELMILL_DATABASE_URL"].startswith("mariadb://")
    assert environment["LABELMILL_BROKER_URL"].startswith("redis://")
    for key in ("LABELMILL_DATABASE_URL", "LABELMILL_BROKER_URL"):
        assert "@mariadb:" in environment[key] or "@redis:" in environment[key]
        assert re.findall(r"</run/secrets/(\w+)>", environment[key])[0] in OURS["web"]["secrets"]


def test_an_empty_broker_means_none():
    assert compose(**SECRETS, BROKER_URL="")["services"]["worker"]["environment"]["LABELMILL_BROKER_URL"] == ""


def test_l27_l29_learner_and_predictor_are_workers_with_a_command_of_their_own():
    for name in ("learner", "predictor", "archiver"):
        same = {key: value for key, value in OURS[name].items() if key not in {"command", "healthcheck", "profiles"}}
        assert same == {key: value for key, value in OURS["worker"].items() if key not in {"command", "healthcheck"}}


def test_web_and_workers_share_the_folder_of_files():
    for service in OURS.values():
        assert service["volumes"] == ["data:/data"]
        for name in ("LABELMILL_BLOB_DIR", "LABELMILL_DATA_DIR"):
            assert Path(service["environment"][name]).is_relative_to("/data")


def test_every_volume_is_declared_and_used():
    used = {entry.partition(":")[0] for service in SERVICES.values() for entry in service.get("volumes", ())}
    assert used == set(STACK["volumes"])


@pytest.mark.parametrize("name", THEIRS)
def test_an_image_is_pinned_to_one_release(name):
    tag = THEIRS[name]["image"].rpartition(":")[2]
    assert re.match(r"\d+\.\d+(\.\d+)?(-\w+)?$", tag), tag


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits_and_tells_how_it_is(name):
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    if name != "migrate":
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])


def test_the_web_server_is_asked_at_an_address_that_it_has(site):
    """The address and port of the check are those of the server, and the answer of a healthy one is 200."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", str(OURS["web"]["healthcheck"]["test"]))
    assert found is not None
    assert found[1] == OURS["web"]["environment"]["LABELMILL_PORT"]
    assert site.ask("GET", found[2]).status_code == 200


@pytest.mark.parametrize("name", ["worker", "learner", "predictor", "archiver"])
def test_a_worker_is_asked_whether_all_its_processes_are_alive(name):
    changed = compose(**SECRETS, WORKER_PROCESSES="3")["services"][name]
    asked = parsed(changed["healthcheck"]["test"][1:])
    assert (asked["verb"], asked["check"]) == ("labelmill jobs workers", True)
    assert asked["at_least"] == parsed(changed["command"]).get("concurrency", 1) == (3 if name == "worker" else 1)
    assert int(changed["healthcheck"]["timeout"].removesuffix("s")) > Settings.model_fields["lease_seconds"].default


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name):
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "user", "cap_add"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there(name):
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed == "migrate" else "service_healthy")
        assert needed in SERVICES


def test_stopping_is_given_more_time_than_labelmill_takes():
    for name in ("web", "worker", "learner", "predictor", "archiver"):
        assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > Settings.model_fields["stop_seconds"].default + 5


@pytest.mark.parametrize("name", PORTS)
def test_every_port_is_settable_and_on_this_machine_only(name):
    assert _published(SERVICES[name]) == [f"127.0.0.1:{port}" for port in PORTS[name].values()]
    other = {variable: str(40000 + index) for index, variable in enumerate(PORTS[name])}
    changed = compose(**SECRETS, **other, BIND_ADDRESS="0.0.0.0")["services"][name]
    assert _published(changed) == [f"0.0.0.0:{port}" for port in other.values()]


def _published(service):
    return [entry.rpartition(":")[0] for entry in service.get("ports", ())]


def test_no_service_has_a_port_beside_these():
    assert {name for name, service in SERVICES.items() if service.get("ports")} == set(PORTS)


def test_the_predecessors_ports_are_usable_all_at_once():
    web = compose("compose.predecessors.yaml")["services"]["web"]
    assert web["ports"] == [f"127.0.0.1:{port}:8700" for port in OLD_PORTS.values()]
    every = {port for ports in (*PORTS.values(), OLD_PORTS) for port in ports.values()}
    assert {"3050", "8000", "8080", "5672", "15672", "5432", "5342"} <= every


def test_old_rules_and_the_map_of_sources_are_mounted_where_the_settings_look_for_them(tmp_path):
    with pytest.raises(Missing, match=r"RULES_DIR: .*docs/how-to/audience-clients\.md"):
        compose("compose.audience.yaml")
    services = compose("compose.audience.yaml", RULES_DIR="/srv/rules", TRUSTED_NETWORKS="172.18.0.1")["services"]
    assert set(services) == {"web"}
    mounts = dict(entry.removesuffix(":ro").rsplit(":", 1)[::-1] for entry in services["web"]["volumes"])
    assert all(entry.endswith(":ro") for entry in services["web"]["volumes"])
    assert mounts.pop("/rules") == "/srv/rules"
    assert (DEPLOY / mounts.pop("/sources.json")).is_file()
    assert mounts == {}
    settings = _settings_of(services["web"]["environment"], tmp_path)
    assert (settings.rules_dir, settings.source_map) == (tmp_path / "rules", tmp_path / "sources.json")
    assert [str(network) for network in settings.compat_trusted_networks] == ["172.18.0.1/32"]
    untold = compose("compose.audience.yaml", RULES_DIR="/srv/rules")["services"]["web"]["environment"]
    assert not _settings_of(untold, tmp_path).compat_trusted_networks


def _settings_of(environment, folder):
    """Return the settings of a container whose mounts are in ``folder``."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "none.env").touch()
    (folder / "sources.json").write_text("{}")
    here = {name: re.sub("^/(rules|sources)", rf"{folder}/\1", value) for name, value in environment.items()}
    return load_settings({}, here | {"LABELMILL_DATA_DIR": str(folder)}, folder / "none.env")


@pytest.mark.parametrize("variable", [name for ports in (*PORTS.values(), OLD_PORTS) for name in ports])
def test_the_guide_names_each_port_with_its_default(variable):
    default = next(ports[variable] for ports in (*PORTS.values(), OLD_PORTS) if variable in ports)
    assert f"| `{variable}` | {default} |" in GUIDE


def test_the_example_names_every_variable_with_its_default_and_no_other():
    text = (DEPLOY / "compose.env.example").read_text()
    told = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    used = compose_variables()
    assert set(told) == set(used)
    others = {
        "DATABASE_URL",
        "BROKER_URL",
        "BLOBS_URL",
        "RULES_DIR",
        "SECRETS_DIR",
    }  # the example shows the other choice, and a place for the needed one
    assert {name: {told[name]} for name in set(told) - others} == {name: used[name] for name in set(used) - others}
    assert re.findall(r"^[A-Z_]+=", text, re.MULTILINE) == ["SECRETS_DIR="]


def test_the_command_of_the_guide_makes_every_secret(tmp_path):
    """Each is a secret that labelmill accepts, in a folder for its owner alone; a second run changes none."""
    block = next(part for part in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) if "openssl" in part)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/compose.env.example").write_text("SECRETS_DIR=./secrets\n")
    made = []
    for _ in range(2):
        subprocess.run(["sh", "-ec", block], cwd=tmp_path, check=True)
        folder = tmp_path / "deploy/secrets"
        made.append({path.name: path.read_text() for path in folder.iterdir()})
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    assert made[0] == made[1]
    assert set(made[0]) == set(STACK["secrets"])
    assert len(set(made[0].values())) == len(made[0])
    Settings(secret=made[0]["labelmill_secret"].strip(), data_dir=tmp_path)


@pytest.mark.parametrize(
    "name", re.findall(r"docker compose [^`\n]*?(?:up -d|exec|stop|restart|--no-deps)(?: --[^\s`]+)* ([a-z ]+)", GUIDE)
)
def test_the_guide_starts_services_that_are_there(name):
    first = name.split()[0]
    assert first in SERVICES


def test_secrets_and_their_places_never_come_into_git():
    kept = ("deploy/.env", "deploy/secrets/labelmill_secret", "deploy/labelmill.env", "deploy/k8s/mine/secrets.env")
    ignored = subprocess.run(["git", "check-ignore", *kept], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == list(kept)
    free = subprocess.run(["git", "check-ignore", "deploy/compose.env.example"], cwd=ROOT, capture_output=True, check=False)
    assert free.returncode == 1


class TestContainerfile:
    def bodies(self):
        parts = re.split(r"^FROM \S+ AS (\w+)$", CONTAINERFILE, flags=re.MULTILINE)[1:]
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def test_only_the_base_comes_from_outside_and_is_pinned_by_its_digest(self):
        stages = {name: source for source, name in re.findall(r"^FROM (\S+) AS (\w+)$", CONTAINERFILE, re.MULTILINE)}
        outside = {source for source in stages.values() if source not in stages}
        assert len(outside) == 1
        assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", outside.pop())

    @pytest.mark.parametrize("target", ["development", "production"])
    def test_each_target_runs_as_nobody_special(self, target):
        lines = self.bodies()[target].split("\n")
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert users == ["10001:10001"]
        assert lines.index("USER 10001:10001") < next(i for i, line in enumerate(lines) if line.startswith("CMD "))

    @pytest.mark.parametrize("target", ["development", "production"])
    def test_each_target_starts_a_command_that_labelmill_has(self, target):
        command = re.search(r"^CMD (\[.*\])$", self.bodies()[target], re.MULTILINE)
        assert parsed(deployment.yaml.safe_load(command[1]))["verb"] == "labelmill web"

    def test_the_targets_are_those_that_compose_builds(self):
        targets = {OURS["web"]["build"]["target"], compose("compose.development.yaml")["services"]["web"]["build"]["target"]}
        assert targets == {"production", "development"} <= set(self.bodies())

    def test_what_is_copied_is_there(self):
        for sources in re.findall(r"^COPY (?:--chmod=\d+ )?((?:[\w./-]+ )+)\S+$", CONTAINERFILE, re.MULTILINE):
            assert [name for name in sources.split() if not (ROOT / name).exists()] == []

    def test_the_command_is_the_script_that_reads_secrets_with_the_python_of_the_packages(self):
        target = re.findall(r"^COPY --chmod=755 deploy/with_secrets\.py (\S+)$", CONTAINERFILE, re.MULTILINE)
        assert target == ["/opt/labelmill/bin/labelmill"] * 2
        assert (DEPLOY / "with_secrets.py").read_text().startswith(f"#!{Path(target[0]).parent}/python\n")

    def test_packages_are_the_pinned_ones_and_nothing_else(self):
        installs = re.findall(r"pip install (.*)$", CONTAINERFILE, re.MULTILINE)
        assert installs
        assert all(line.startswith("--no-deps") for line in installs)
        # What builds our own package is pinned as well: isolated, pip would fetch the newest.
        ours = [line for line in installs if " -r " not in line]
        assert [line.split()[1:] for line in ours] == [["--no-build-isolation", "."], ["--no-build-isolation", "-e", "."]]
        assert CONTAINERFILE.count("-r requirements/build.txt") == len(ours)
