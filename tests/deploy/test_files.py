"""What is to be built and run in containers, judged without them: by schemas, a linter, and against each other."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import check_jsonschema
import dagster as dg
import jsonschema
import pytest
import yaml
from kubernetes.client import models
from packaging.specifiers import SpecifierSet

from clari_pipeline.config.settings import Settings
from clari_pipeline.defs.assets import EXPORTS_POOL
from tests.helpers.fleet import DEPLOY, loaded

ROOT = DEPLOY.parent
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
SECRETS = {"DAGSTER_POSTGRES_PASSWORD", "CLARI_API_KEY", "CLARI_ALERT_URLS", "CLARI_WAREHOUSE_URL"}


def stages() -> list[str]:
    return re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_the_dockerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_small_and_of_nobody_special() -> None:
    """Two stages of one pinned base, installed by constraints; what runs is no superuser and says how it is."""
    bases = {stage.split()[0] for stage in stages()}
    assert len(stages()) == 2
    (base,) = bases
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert SpecifierSet(oldest).contains(base.removeprefix("python:").partition("-")[0])
    build, final = stages()
    assert '--constraint constraints.txt ".[${EXTRAS}]"' in build
    assert "PIP_CONSTRAINT=/build/constraints.txt" in build, "what builds the wheel is pinned, too"
    assert "ARG EXTRAS=deploy\n" in build
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (named,) = re.findall(r"--build-arg EXTRAS=(\S+)", DOCKERFILE)
    assert set(named.split(",")) == {"deploy", "snowflake"} <= set(extras)
    (user,) = re.findall(r"^USER (.+)$", final, flags=re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert "HEALTHCHECK" in final


def test_no_secret_can_get_into_a_layer() -> None:
    """No argument and no variable of the build is one; the context holds nothing but what is copied."""
    for name in SECRETS:
        assert name not in DOCKERFILE
    assert re.findall(r"^ARG (\w+)", DOCKERFILE, flags=re.MULTILINE) == ["EXTRAS"]
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "*"
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == admitted
    for source in copied:
        assert (ROOT / source).exists(), source
    hidden = (".env", "deploy/clari.env", "deploy/secrets/CLARI_API_KEY", "data/warehouse.duckdb")
    for file in hidden:
        assert not any(fnmatch.fnmatch(file, pattern) or file.startswith(f"{pattern}/") for pattern in admitted), file


def test_the_pages_that_lines_name_are_in_the_image() -> None:
    """The folder of them is in the wheel, and below the folder that commands run in, as a line of theirs names them."""
    build, final = stages()
    assert "COPY docs docs\n" in build
    assert "COPY --from=build /build/docs /srv/clari/docs\n" in final
    assert "WORKDIR /srv/clari\n" in final
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "clari_pipeline").rglob("*.py"))
    named = set(re.findall(r"\bdocs/[\w-]+\.(?:md|sql)\b", code))
    assert {"docs/runbook.md", "docs/postgres-roles.sql"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def environment_with(secrets: Path) -> dict[str, str]:
    """What a program sees that begins behind `with-secrets`."""
    shown = subprocess.run(
        [DEPLOY / "with-secrets", sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
        env={"PATH": os.environ["PATH"], "SECRETS_DIR": str(secrets)},
        capture_output=True,
        text=True,
        check=True,
    )
    variables: dict[str, str] = json.loads(shown.stdout)
    return variables


def test_each_file_of_secrets_becomes_a_variable(tmp_path: Path) -> None:
    """Whatever characters it holds; an empty file is no secret, and neither is what the shell itself has used. What
    else lies there is left alone: a pod has its service account's token there, in a folder; mounted secrets are links
    into a hidden one.
    """
    value = 'it\'s $HOME "and" `more` %41 '
    for name, content in {
        "DAGSTER_POSTGRES_PASSWORD": f"{value}\n",
        "CLARI_WAREHOUSE_URL": "",
        "kubernetes.io/serviceaccount/token": "token",
        "RHSM/nothing": "",
        "redhat.repo": "[repository]\n",
        "1ST": "no name",
        "..data/CLARI_API_KEY": "key\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    for name in ("CLARI_API_KEY", "CLARI_ALERT_URLS"):  # the second leads to nothing
        (tmp_path / name).symlink_to(f"..data/{name}")
    variables = environment_with(tmp_path)
    assert (variables["DAGSTER_POSTGRES_PASSWORD"], variables["CLARI_API_KEY"]) == (value, "key")
    not_named = {"kubernetes.io", "RHSM", "redhat.repo", "1ST", "..data", "name", "value", "file"}
    assert not ({"CLARI_WAREHOUSE_URL", "CLARI_ALERT_URLS"} | not_named) & set(variables)


def test_without_secrets_a_command_runs_as_it_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [DEPLOY / "with-secrets", "sh", "-c", "exit 7"], env={"PATH": os.environ["PATH"], "SECRETS_DIR": str(tmp_path)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 7


def test_the_compose_file_keeps_to_the_specification() -> None:
    package = Path(str(check_jsonschema.__file__)).parent
    schema = json.loads((package / "builtin_schemas/vendor/compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(loaded("compose.yaml"), schema)


def test_the_services_fit_each_other() -> None:
    """All parts are there and say whether they are well; only the code location has Clari's key and the data."""
    compose = loaded("compose.yaml")
    services = compose["services"]
    assert set(services) == {"postgres", "prepare", "code", "webserver", "daemon"}
    for name, service in services.items():
        assert service["healthcheck"], name
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")
        assert set(service.get("depends_on", {})) <= set(services)
    assert set(compose["secrets"]) == SECRETS
    assert {name for name, service in services.items() if "CLARI_API_KEY" in service["secrets"]} == {"code"}
    assert {name for name, service in services.items() if "data:/srv/clari/data" in service.get("volumes", ())} == {
        "code"
    }
    for name in ("prepare", "code", "webserver", "daemon"):
        given = set(services[name]["environment"]) | set(services[name]["secrets"])
        assert wanted() <= given, name
    (server,) = (entry["grpc_server"] for entry in loaded("workspace.yaml")["load_from"])
    assert server["host"] in services
    assert f"EXPOSE {server['port']}" in DOCKERFILE
    assert f"concurrency set {EXPORTS_POOL} " in services["prepare"]["command"][-1]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"], "Dagster's page asks nobody who they are"


def wanted() -> set[str]:
    """The variables that `dagster.yaml` reads."""
    return {
        entry["env"]
        for entry in loaded("dagster.yaml")["storage"]["postgres"]["postgres_db"].values()
        if "env" in entry
    }


@pytest.mark.parametrize("name", ["clari.env.example", "helm-values.yaml"])
def test_settings_that_are_named_exist(name: str) -> None:
    known = {f"CLARI_{field.upper()}" for field in Settings.model_fields}
    named = set(re.findall(r"\bCLARI_[A-Z_]+\b", (DEPLOY / name).read_text(encoding="utf-8")))
    assert named
    assert named <= known


def test_the_helm_chart_is_given_what_kubernetes_takes() -> None:
    """Each fragment of a pod, and the run launcher's settings, as Dagster's own Kubernetes library reads them."""
    from dagster_k8s import K8sRunLauncher  # noqa: PLC0415
    from dagster_k8s.job import UserDefinedDagsterK8sConfig  # noqa: PLC0415
    from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict  # noqa: PLC0415

    def fits(model: Any, fragment: dict[str, Any]) -> None:
        k8s_model_from_dict(model, k8s_snake_case_dict(model, fragment))

    values = loaded("helm-values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    for pod in (values["dagsterWebserver"], values["dagsterDaemon"], deployment):
        fits(models.V1PodSecurityContext, pod["podSecurityContext"])
        fits(models.V1SecurityContext, pod["securityContext"])
        fits(models.V1ResourceRequirements, pod["resources"])
        assert pod["podSecurityContext"]["runAsNonRoot"]
        assert pod["image"] == values["dagsterWebserver"]["image"]
    for volume in deployment["volumes"]:
        fits(models.V1Volume, volume)
    for mount in deployment["volumeMounts"]:
        fits(models.V1VolumeMount, mount)
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    run = {
        "pod_spec_config": launcher["runK8sConfig"]["podSpecConfig"],
        "job_spec_config": launcher["runK8sConfig"]["jobSpecConfig"],
    }
    settings = {
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": "/opt/dagster/dagster_home",
        "load_incluster_config": launcher["loadInclusterConfig"],
        "image_pull_policy": launcher["imagePullPolicy"],
        "env_config_maps": launcher["envConfigMaps"],
        "env_secrets": launcher["envSecrets"],
        "env_vars": launcher["envVars"],
        "volumes": launcher["volumes"],
        "volume_mounts": launcher["volumeMounts"],
        "resources": launcher["resources"],
        "security_context": launcher["securityContext"],
        "run_k8s_config": run,
    }

    @dg.op(config_schema=K8sRunLauncher.config_type())
    def launcher_of_the_chart() -> None: ...

    job = dg.GraphDefinition(name="job", node_defs=[launcher_of_the_chart]).to_job()
    dg.validate_run_config(job, {"ops": {launcher_of_the_chart.name: {"config": settings}}})
    UserDefinedDagsterK8sConfig.from_dict(run)  # looks deeper than the launcher's own schema
    for manifest in values["extraManifests"]:
        assert manifest["spec"]["storageClassName"], "the usual class is for one node at a time"
        fits(getattr(models, f"V1{manifest['kind']}"), manifest)


# Keys of the chart that are used here, as its own schema names them; all others would be silently left aside.
CHART = {
    "dagsterWebserver": {"image", "podSecurityContext", "securityContext", "resources"},
    "generatePostgresqlPasswordSecret": None,
    "global": {"postgresqlSecretName"},
    "postgresql": {
        "enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlScheme", "postgresqlParams",
        "service",
    },
    "migrate": {"enabled"},
    "dagster-user-deployments": {"enabled", "deployments"},
    "runLauncher": {"type", "config"},
    "concurrency": {"enabled", "pools", "runs"},
    "dagsterDaemon": {
        "image", "podSecurityContext", "securityContext", "resources", "runCoordinator", "runMonitoring", "runRetries",
    },
    "computeLogManager": {"type"},
    "telemetry": {"enabled"},
    "extraManifests": None,
}  # fmt: skip


def test_the_helm_values_use_keys_of_the_chart() -> None:
    values = loaded("helm-values.yaml")
    assert set(values) == set(CHART)
    assert {name: keys and set(values[name]) for name, keys in CHART.items()} == CHART


def test_kubernetes_and_containers_are_ruled_alike() -> None:
    """Retries, pools and run monitoring say the same in the chart's words as in `dagster.yaml`."""
    here, there = loaded("dagster.yaml"), loaded("helm-values.yaml")
    daemon = there["dagsterDaemon"]
    assert there["concurrency"]["pools"] == {
        "granularity": here["concurrency"]["pools"]["granularity"],
        "defaultLimit": here["concurrency"]["pools"]["default_limit"],
    }
    assert there["concurrency"]["runs"]["maxConcurrentRuns"] == here["concurrency"]["runs"]["max_concurrent_runs"]
    assert daemon["runRetries"] == {
        "enabled": here["run_retries"]["enabled"],
        "maxRetries": here["run_retries"]["max_retries"],
        "retryOnAssetOrOpFailure": here["run_retries"]["retry_on_asset_or_op_failure"],
    }
    most = here["run_monitoring"]["max_runtime_seconds"]
    assert daemon["runMonitoring"]["maxRuntimeSeconds"] == most
    job = there["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]
    assert job["activeDeadlineSeconds"] >= most + 1800, (
        "a run ends by itself, or by run monitoring, before its pod does"
    )
    assert daemon["runMonitoring"]["maxResumeRunAttempts"] == here["run_monitoring"]["max_resume_run_attempts"] == 0
    assert there["postgresql"]["postgresqlScheme"] == here["storage"]["postgres"]["postgres_db"]["scheme"]


def test_no_address_of_a_registry_is_named() -> None:
    for file in DEPLOY.iterdir():
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "://" not in re.sub(r"http://(127\.0\.0\.1|localhost)\S*", "", text).replace("duckdb:///", ""), file
            assert "index-url" not in text
            assert yaml.safe_load(text) if file.suffix == ".yaml" else text
