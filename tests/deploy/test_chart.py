from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import helm_python
import kubernetes_validate
import pytest
import yaml

from packages.common.models.user_model import parse_users
from packages.common.settings import Settings
from services.ingress_service.main import DRAIN_S
from tests.deploy.chart import (
    CASES,
    CHART,
    STORE,
    at,
    containers,
    find,
    manifests,
    merged,
    pods,
    render,
    rendered,
    values_of,
)
from tests.deploy.snapshots import assert_snapshot, summary
from tests.rigs.project import ROOT

KUBERNETES = ("1.27", "1.34")
CUSTOM_KINDS = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
cases = pytest.mark.parametrize("case", CASES)


def secret(case: str, name: str) -> dict[str, str]:
    found = find(case, "Secret", name)
    plain = {key: base64.b64decode(text).decode() for key, text in (found.get("data") or {}).items()}
    return plain | (found.get("stringData") or {})


def environment(case: str, kind: str, name: str, container: str) -> dict[str, object]:
    (pod,) = pods(find(case, kind, name))
    (found,) = [each for each in containers(pod) if each["name"] == container]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in found["env"]}


@cases
def test_chart_passes_the_strict_linter(case: str) -> None:
    found = helm_python.lint(CHART, values_of(case), strict=True, kube_version="1.31.0")
    assert [message for message in found["messages"] if message["severity"] > 1] == []
    assert found["errors"] == []


def assert_known(case: str, version: str) -> None:
    for manifest in rendered(case):
        if manifest["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_kubernetes_knows_every_field() -> None:
    assert_known("kubernetes-executor", KUBERNETES[-1])


@pytest.mark.deploy
@cases
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_supported_kubernetes_knows_every_field(case: str, version: str) -> None:
    assert_known(case, version)


@pytest.mark.parametrize("case", ["default", "kubernetes-executor", "outside"])
def test_manifests_are_what_they_were(case: str) -> None:
    assert_snapshot(case, summary(rendered(case)))


@cases
def test_every_pod_may_run_in_a_restricted_namespace(case: str) -> None:
    for pod in [pod for manifest in rendered(case) for pod in pods(manifest)]:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(pod.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC"))
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        for container in containers(pod):
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}


@cases
def test_every_service_of_the_deployment_is_limited_in_memory_and_watched(case: str) -> None:
    for manifest in rendered(case):
        if manifest["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        for container in next(pods(manifest))["containers"]:
            assert container["resources"]["limits"]["memory"], container["name"]
            assert "livenessProbe" in container, container["name"]


@cases
def test_every_reference_to_a_secret_or_configmap_of_the_release_leads_somewhere(case: str) -> None:
    made = {
        (manifest["kind"], manifest["metadata"]["name"]): {
            *(manifest.get("data") or {}),
            *(manifest.get("stringData") or {}),
        }
        for manifest in rendered(case)
    }
    text = json.dumps([pod for manifest in rendered(case) for pod in pods(manifest)])
    keys = re.findall(r'"secretKeyRef": \{"name": "(lake-[^"]*)", "key": "([^"]*)"', text)
    assert [(name, key) for name, key in keys if key not in made.get(("Secret", name), ())] == []
    maps = re.findall(r'"configMap(?:Ref)?": \{[^}]*"name": "(lake-[^"]*)"', text)
    assert [name for name in maps if ("ConfigMap", name) not in made] == []


@cases
def test_every_policy_and_service_selects_pods_that_exist(case: str) -> None:
    templates = [
        (manifest["spec"].get("jobTemplate") or manifest)["spec"]["template"]["metadata"]["labels"]
        for manifest in rendered(case)
        if manifest["kind"] in {"Deployment", "StatefulSet", "Job", "CronJob"}
    ]
    for manifest in rendered(case):
        if manifest["kind"] == "Service":
            wanted = manifest["spec"]["selector"].items()
            assert any(wanted <= labels.items() for labels in templates), manifest["metadata"]["name"]


def test_settings_of_the_values_are_settings_of_the_services() -> None:
    data = find("scaled", "ConfigMap", "settings")["data"]
    own = environment("scaled", "Deployment", "ingress", "ingress")
    settings = Settings(**{name.lower(): text for name, text in data.items()})
    assert (settings.max_attempts, settings.sweep_max_bytes) == (12, 2147483648)
    assert (own["MAX_UPLOAD_BYTES"], own["SCRAPE_TIMEOUT_S"]) == ("268435456", "12.5")


def test_every_setting_that_the_chart_sets_exists() -> None:
    known = {name.upper() for name in Settings.model_fields} | {"SWEEP_CRON", "HOUSEKEEPING_CRON"}
    for case in CASES:
        names = set(environment(case, "Deployment", "ingress", "ingress")) - {"SMTP_PASSWORD"}
        data = find(case, "ConfigMap", "lake-zarr-fuse-ingress-airflow")["data"]
        names |= {name for name in data if not name.startswith(("AIRFLOW__", "FORWARDED_"))}
        assert names | set(find(case, "ConfigMap", "settings")["data"]) <= known


def test_users_of_the_values_are_users_of_the_ingress() -> None:
    users = parse_users(secret("given-secrets", "users")["BASIC_AUTH_USERS_JSON"])
    assert users.keys() == {"station", "reader"}
    generated = secret("default", "users")
    assert generated["admin-password"] in generated["BASIC_AUTH_USERS_JSON"]


def test_generated_secrets_have_the_form_that_airflow_wants() -> None:
    generated = secret("default", "lake-zarr-fuse-ingress-airflow")
    assert len(base64.urlsafe_b64decode(generated["fernet-key"])) == 32
    assert len(generated["jwt-secret"]) >= 64
    assert len(set(generated.values())) == 5


def test_generated_secrets_outlive_an_upgrade() -> None:
    text = (CHART / "templates" / "common" / "secrets.yaml").read_text(encoding="utf-8")
    for manifest in rendered("default"):
        if manifest["kind"] == "Secret":
            assert manifest["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert text.count("lookup") == 3


def test_pods_are_not_rolled_by_generated_secrets() -> None:
    first, second = (render(STORE)["zarr-fuse-ingress/templates/airflow/deployment.yaml"] for _ in range(2))
    assert first == second


def test_a_changed_setting_rolls_the_pods() -> None:
    def checksum(values: dict) -> str:
        text = render(values)["zarr-fuse-ingress/templates/ingress-service/deployment.yaml"]
        return yaml.safe_load(text)["spec"]["template"]["metadata"]["annotations"]["checksum/values"]

    changes = [at("settings.MAX_ATTEMPTS", 3), at("extractorService.airflow.parallelism", 3)]
    changes += [at("inputs.files", {"configuration.yaml": ""}), at("global.s3.region", "eu-central-1")]
    sums = {checksum(merged(STORE, change)) for change in ({}, *changes)}
    assert len(sums) == 1 + len(changes)


def test_a_changed_image_gets_a_migration_of_its_own() -> None:
    def name(values: dict) -> str:
        return yaml.safe_load(render(values)["zarr-fuse-ingress/templates/airflow/migration.yaml"])[
            "metadata"
        ]["name"]

    assert name(STORE) == name(STORE)
    assert name(STORE) != name(merged(STORE, at("extractorService.image.tag", "2")))


def test_a_migration_whose_pod_changes_gets_another_name() -> None:
    def job(values: dict) -> dict:
        return yaml.safe_load(render(values)["zarr-fuse-ingress/templates/airflow/migration.yaml"])

    base = job(STORE)
    for change in (at("env", [{"name": "A", "value": "b"}]), at("envFrom", [{"secretRef": {"name": "a"}}])):
        changed = job(merged(STORE, change))
        assert changed["spec"] != base["spec"]
        assert changed["metadata"]["name"] != base["metadata"]["name"]


@pytest.mark.parametrize("case", ["scaled", "kubernetes-executor"])
def test_variables_of_both_services_reach_every_pod_that_reads_the_configuration(case: str) -> None:
    values = merged(values_of(case), {"env": [{"name": "TOKEN", "value": "t"}]})
    values = merged(values, {"envFrom": [{"secretRef": {"name": "variables"}}]})
    found = manifests(text for name, text in render(values).items() if not name.endswith("NOTES.txt"))
    running = [one for manifest in found for pod in pods(manifest) for one in containers(pod)]
    asked = [one for one in running if one["name"] not in {"postgres", "smoke"}]
    assert {"ingress", "scheduler", "migrate", "clean"} <= {one["name"] for one in asked}
    assert case == "scaled" or "base" in {one["name"] for one in asked}
    for one in asked:
        assert {"name": "TOKEN", "value": "t"} in one["env"], one["name"]
        assert {"secretRef": {"name": "variables"}} in one["envFrom"], one["name"]


def test_a_spool_belongs_to_one_pod_at_a_time() -> None:
    spool = {"SPOOL_DIR": "/spool"}
    mounts = {"extraVolumeMounts": [{"name": "spool", "mountPath": "/spool"}]}
    volumes = {"extraVolumes": [{"name": "spool", "persistentVolumeClaim": {"claimName": "spool"}}]}
    one = merged(STORE, {"ingressService": {"replicas": 1, "settings": spool, **mounts, **volumes}})
    text = render(one)["zarr-fuse-ingress/templates/ingress-service/deployment.yaml"]
    assert yaml.safe_load(text)["spec"]["strategy"] == {"type": "Recreate"}


def test_pods_that_stop_get_the_time_their_requests_may_take() -> None:
    (pod,) = pods(find("default", "Deployment", "ingress"))
    (container,) = pod["containers"]
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert waits + DRAIN_S < pod["terminationGracePeriodSeconds"]


def test_policies_let_mail_and_the_broker_through() -> None:
    egress = find("default", "NetworkPolicy", "ingress")["spec"]["egress"]
    assert {465, 587, 443} <= {port["port"] for rule in egress for port in rule["ports"] if "port" in port}
    values = merged(
        values_of("celery-executor"), at("extractorService.airflow.broker.url", "redis://r:7000/0")
    )
    text = render(values)["zarr-fuse-ingress/templates/common/networkpolicies.yaml"]
    assert "{port: 7000}" in text


def test_password_of_the_database_is_encoded_in_its_address() -> None:
    assert secret("given-secrets", "postgres")["connection"] == (
        "postgresql+psycopg2://airflow:a%20b%2Fc%40d%3Ae%2Bf@db.example.org:5433/airflow?sslmode=require"
    )


def test_without_keys_the_credential_chain_is_asked() -> None:
    assert "S3_ACCESS_KEY" not in environment("aws-role", "Deployment", "ingress", "ingress")
    roles = [m["metadata"].get("annotations") for m in rendered("aws-role") if m["kind"] == "ServiceAccount"]
    assert all("eks.amazonaws.com/role-arn" in annotations for annotations in roles)


def test_no_secret_is_made_where_all_exist() -> None:
    assert [manifest for manifest in rendered("existing-secrets") if manifest["kind"] == "Secret"] == []


def test_tasks_in_other_pods_reach_the_api_through_its_service() -> None:
    for case, url in {
        "default": "http://127.0.0.1:8080/execution/",
        "kubernetes-executor": "http://lake-zarr-fuse-ingress-airflow:8080/execution/",
        "celery-executor": "http://lake-zarr-fuse-ingress-airflow:8080/execution/",
    }.items():
        data = find(case, "ConfigMap", "lake-zarr-fuse-ingress-airflow")["data"]
        assert data["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == url


@cases
def test_health_of_airflow_does_not_depend_on_a_service_that_waits_for_it(case: str) -> None:
    (pod,) = pods(find(case, "Deployment", "airflow"))
    (processor,) = [one for one in pod["containers"] if one["name"] == "dag-processor"]
    own = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:8080/execution/"
    for probe in ("startupProbe", "livenessProbe"):
        assert processor[probe]["exec"]["command"][:2] == ["env", own]


def test_tasks_in_other_pods_need_the_api_only() -> None:
    assert find("kubernetes-executor", "Service", "airflow")["spec"]["publishNotReadyAddresses"] is True


def test_pods_wait_for_a_database_that_does_not_answer_yet() -> None:
    for case, name in (("default", "airflow"), ("celery-executor", "airflow"), ("celery-executor", "worker")):
        (pod,) = pods(find(case, "Deployment", name))
        (waiting,) = pod["initContainers"]
        check, migrations = waiting["args"][-1].split(" && ")
        assert check.startswith("airflow db check --retry")
        assert migrations.startswith("airflow db check-migrations")


def test_pods_of_failed_tasks_do_not_pile_up() -> None:
    name = "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE"
    data = find("kubernetes-executor", "ConfigMap", "lake-zarr-fuse-ingress-airflow")["data"]
    assert data[name] == "True"
    values = merged(values_of("kubernetes-executor"), at(f"extractorService.airflow.config.{name}", "False"))
    text = render(values)["zarr-fuse-ingress/templates/airflow/configmap.yaml"]
    assert text.count(name) == 1
    assert yaml.safe_load(text)["data"][name] == "False"


def test_worker_pods_have_the_container_that_airflow_expects() -> None:
    template = yaml.safe_load(find("kubernetes-executor", "ConfigMap", "pods")["data"]["worker.yaml"])
    kubernetes_validate.validate(template, "1.34", strict=True)
    assert template["spec"]["containers"][0]["name"] == "base"
    assert template["spec"]["restartPolicy"] == "Never"


def test_logs_on_the_storage_use_its_keys() -> None:
    text = environment("kubernetes-executor", "Deployment", "airflow", "scheduler")[
        "AIRFLOW_CONN_INGRESS_LOGS"
    ]
    connection = json.loads(str(text))
    assert connection["extra"] == {"endpoint_url": "http://rgw.storage:8080", "region_name": "us-east-1"}
    assert (connection["login"], connection["password"]) == ("$(S3_ACCESS_KEY)", "$(S3_SECRET_KEY)")


def test_port_of_the_storage_may_be_called() -> None:
    egress = find("kubernetes-executor", "NetworkPolicy", "worker")["spec"]["egress"]
    assert {"port": 8080} in [port for rule in egress for port in rule["ports"]]


def test_inputs_of_the_values_lie_where_they_are_named() -> None:
    (pod,) = pods(find("scaled", "Deployment", "ingress"))
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "inputs"]
    data = find("scaled", "ConfigMap", "inputs")["data"]
    paths = {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}
    assert paths == {"configuration.yaml": "endpoints: []\n", "schemas/weather.yaml": "ATTRS: {}\n"}


def test_notes_say_where_the_generated_password_is() -> None:
    notes = render(STORE)["zarr-fuse-ingress/templates/NOTES.txt"]
    assert "helm test lake --namespace science" in notes
    assert "lake-zarr-fuse-ingress-users -o jsonpath='{.data.admin-password}'" in notes


def test_notes_say_where_airflow_is_reached() -> None:
    notes = render(values_of("outside"))["zarr-fuse-ingress/templates/NOTES.txt"]
    assert "https://airflow.example.org\n" in notes
    assert "port-forward" not in notes


def test_logs_of_tasks_do_not_fill_their_volume() -> None:
    (pod,) = pods(find("default", "Deployment", "airflow"))
    (cleaner,) = [one for one in pod["containers"] if one["name"] == "log-cleaner"]
    assert {"name": "logs", "mountPath": "/opt/airflow/logs"} in cleaner["volumeMounts"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "logs"]
    assert f"--size={volume['emptyDir']['sizeLimit']}" in cleaner["args"]
    assert (ROOT / "oci" / Path(cleaner["args"][1]).name).exists()
    remote = find("kubernetes-executor", "ConfigMap", "lake-zarr-fuse-ingress-airflow")["data"]
    assert remote["AIRFLOW__LOGGING__DELETE_LOCAL_LOGS"] == "True"
