from __future__ import annotations

import re

import pytest
from helm_python.errors import HelmError

from tests.deploy.chart import STORE, at, merged, render

REFUSED = {
    "global.s3.storeUrl is empty": {},
    "accessKey and secretKey belong together": merged(STORE, at("global.s3.secrets.accessKey", "key")),
    "existingSecret and secrets.accessKey exclude each other": merged(
        STORE, at("global.s3", {"existingSecret": "mine", "secrets": {"accessKey": "a", "secretKey": "b"}})
    ),
    "settings.S3_STORE_URL cannot be set here: it follows from global.s3.storeUrl": merged(
        STORE, at("settings.S3_STORE_URL", "s3://other/store.zarr")
    ),
    "ingressService.settings.PORT cannot be set here": merged(
        STORE, at("ingressService.settings.PORT", 9000)
    ),
    "whose logs die with them": merged(STORE, at("extractorService.airflow.executor", "KubernetesExecutor")),
    "remoteLogs.url must be an address": merged(
        STORE, at("extractorService.airflow.remoteLogs.enabled", value=True)
    ),
    "CeleryExecutor needs a Redis": merged(
        STORE,
        at(
            "extractorService.airflow",
            {"executor": "CeleryExecutor", "remoteLogs": {"enabled": True, "url": "s3://a/b"}},
        ),
    ),
    "needs a database of yours": merged(STORE, at("extractorService.postgres.enabled", value=False)),
    "extractorService.postgres.password is empty": merged(
        STORE, at("extractorService.postgres", {"enabled": False, "host": "db"})
    ),
    "set extractorService.postgres.enabled=false with it": merged(
        STORE, at("extractorService.postgres.host", "db")
    ),
    "is no option of Airflow": merged(STORE, at("extractorService.airflow.config.PARALLELISM", 3)),
    "32 bytes in URL-safe base64": merged(STORE, at("extractorService.airflow.secrets.fernetKey", "short")),
    "jwtSecret is too short": merged(STORE, at("extractorService.airflow.secrets.jwtSecret", "short")),
    "ingress.hosts is empty": merged(STORE, at("ingress.enabled", value=True)),
    "would reach nothing": merged(
        STORE, at("ingress", {"enabled": True, "hosts": {"extractorService": ["airflow.example.org"]}})
    ),
    "networkPolicy.metricsFrom is empty": merged(
        STORE,
        {
            "monitoring": {"serviceMonitor": {"enabled": True}},
            "networkPolicy": {"ingressServiceFrom": [{"namespaceSelector": {}}]},
        },
    ),
    "gateway.parentRefs is empty": merged(
        STORE, {"gateway": {"enabled": True}, "ingress": {"hosts": {"ingressService": ["a.example.org"]}}}
    ),
    "minReplicas is larger than maxReplicas": merged(
        STORE, at("ingressService.autoscaling", {"enabled": True, "minReplicas": 9})
    ),
    "lets no node ever be drained": merged(STORE, at("ingressService.podDisruptionBudget.minAvailable", 2)),
    "SPOOL_DIR=/spool holds acknowledged uploads": merged(
        STORE, at("ingressService", {"replicas": 1, "settings": {"SPOOL_DIR": "/spool"}})
    ),
    "SPOOL_DIR=/spool belongs to one process": merged(
        STORE, at("ingressService.settings.SPOOL_DIR", "/spool")
    ),
    "existingSecret and users exclude each other": merged(
        STORE, at("ingressService.auth", {"existingSecret": "mine", "users": {"a": "b"}})
    ),
    "existingConfigMap and files exclude each other": merged(
        STORE, at("inputs", {"existingConfigMap": "mine", "files": {"configuration.yaml": ""}})
    ),
    "so it needs a configuration.yaml": merged(STORE, at("inputs.files", {"schemas/a.yaml": "b"})),
    "larger than a ConfigMap may be": merged(
        STORE, at("inputs.files", {"configuration.yaml": "a" * 1_000_001})
    ),
    "global.s3.accessKey is called global.s3.secrets.accessKey here": merged(
        STORE, at("global.s3.accessKey", "key")
    ),
    "ingressService.replicaCount is called ingressService.replicas here": merged(
        STORE, at("ingressService.replicaCount", 3)
    ),
    "extractorService.airflow.fernetKey is called extractorService.airflow.secrets.fernetKey here": merged(
        STORE, at("extractorService.airflow.fernetKey", "key")
    ),
    "extractorService.postgres.user is called extractorService.postgres.username here": merged(
        STORE, at("extractorService.postgres.user", "airflow")
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_values_that_do_not_go_together_are_refused_with_a_sentence(sentence: str) -> None:
    with pytest.raises(HelmError, match=re.escape(sentence)):
        render(REFUSED[sentence])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ingressService.replica", 3),
        ("ingressService.replicas", "three"),
        ("extractorService.airflow.executor", "SequentialExecutor"),
        ("extractorService.airflow.sweepCron", "often"),
        ("global.s3.endpointUrl", "objects.example.org"),
        ("ingressService.tmpSize", "much"),
        ("settings.max_attempts", 3),
        ("unknown", {}),
    ],
)
def test_schema_refuses_what_it_does_not_know(path: str, value: object) -> None:
    with pytest.raises(HelmError, match=path.rpartition(".")[2]):
        render(merged(STORE, at(path, value)))
