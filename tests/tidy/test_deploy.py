"""What we hand to operators asks for as little as it needs, and agrees with the program."""

from __future__ import annotations

import configparser
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

import pytest
import trustme
import yaml

from controller.settings.loading import loads
from tests.tidy.surface import meters
from tests.tidy.tree import ROOT, files, text

KUBERNETES, COMPOSE, UNIT = "deploy/kubernetes", "deploy/compose/compose.yaml", "deploy/systemd/turnout.service"
UID = 10001


def manifest(kind):
    found = [
        document
        for path in files()
        if path.startswith(f"{KUBERNETES}/")
        for document in yaml.safe_load_all(text(path))
        if document["kind"] == kind
    ]
    assert len(found) == 1, f"{KUBERNETES}: {len(found)} documents of kind {kind}, and there should be one"
    return found[0]


@pytest.fixture
def pod():
    return manifest("Deployment")["spec"]["template"]["spec"]


def test_the_pod_asks_for_nothing_it_does_not_need(pod):
    assert pod["automountServiceAccountToken"] is False, "a stolen pod could speak to the cluster's API"
    assert pod["enableServiceLinks"] is False, "Kubernetes would set TURNOUT_PORT, which looks like a setting of ours"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), "the pod would see its node"
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True, "the controller could run as root"
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == UID, (
        "the journal could not be written"
    )
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}, "every system call would be open"
    assert not any("hostPath" in volume for volume in pod["volumes"]), "the pod would see its node's disk"


def test_the_container_is_closed(pod):
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False, "a setuid program could make itself root"
    assert context["readOnlyRootFilesystem"] is True, "an intruder could change the program"
    assert context["capabilities"] == {"drop": ["ALL"]}, "the container keeps capabilities that it never uses"
    assert "memory" in container["resources"]["limits"], "a leak would take the node's memory"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/etc/turnout"].get("readOnly") is True, "the controller could change what it was told"
    assert not any("subPath" in mount for mount in mounts.values()), "a subPath never sees a changed ConfigMap"


def test_the_pod_is_watched_and_stands_alone(pod):
    (container,) = pod["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}, "a hung controller stays"
    spec = manifest("Deployment")["spec"]
    alone = spec["replicas"] == 1 and spec["strategy"]["type"] == "Recreate"
    assert alone, "two controllers would fight over one journal"


def test_the_network_is_closed_but_for_what_is_named():
    spec = manifest("NetworkPolicy")["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}, "a direction is left open"
    for rule in (*spec["ingress"], *spec["egress"]):
        peers = rule.get("from") or rule.get("to")
        assert peers, f"open to everybody: {rule}"
        assert all("podSelector" in peer for peer in peers), f"open to every pod: {rule}"
    assert all(rule["ports"] for rule in spec["ingress"]), "every port would be open to those who may speak to one"


def test_the_parts_of_the_manifests_fit_together(pod):
    kustomization = yaml.safe_load(text(f"{KUBERNETES}/kustomization.yaml"))
    listed = {f"{KUBERNETES}/{name}" for name in (*kustomization["resources"], "kustomization.yaml")}
    assert listed == {path for path in files() if path.startswith(f"{KUBERNETES}/")}, "a manifest would not be applied"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["config"]["configMap"]["name"] == manifest("ConfigMap")["metadata"]["name"]
    assert (
        volumes["state"]["persistentVolumeClaim"]["claimName"] == manifest("PersistentVolumeClaim")["metadata"]["name"]
    )
    (container,) = pod["containers"]
    named = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in manifest("Service")["spec"]["ports"]} == named, "the Service leads nowhere"


@pytest.mark.parametrize("example", ["kubernetes", "compose"])
def test_the_example_configuration_is_one_that_the_controller_takes(example):
    written = {
        "kubernetes": lambda: manifest("ConfigMap")["data"]["turnout.yaml"],
        "compose": lambda: text("deploy/compose/config/turnout.yaml"),
    }[example]()
    loads(written, f"deploy/{example}/turnout.yaml")


def test_an_open_api_comes_with_an_access_document(pod):
    """Beyond loopback the controller refuses to start without one, so the manifests would not work."""
    (container,) = pod["containers"]
    address = next(entry["value"] for entry in container["env"] if entry["name"] == "TURNOUT_HTTP")
    kinds = [document["kind"] for document in yaml.safe_load_all(manifest("ConfigMap")["data"]["turnout.yaml"])]
    assert address.startswith("127.") or "Access" in kinds, "the API would be open to the network without a token"


def test_compose_closes_every_container():
    for name, service in yaml.safe_load(text(COMPOSE))["services"].items():
        assert service["read_only"] is True, f"{COMPOSE}: {name} can change its program"
        assert service["cap_drop"] == ["ALL"], f"{COMPOSE}: {name} keeps capabilities"
        assert service["security_opt"] == ["no-new-privileges:true"], f"{COMPOSE}: {name} can become root"
        assert not service["user"].startswith("0"), f"{COMPOSE}: {name} is root"
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            here = not source.startswith(".") or (ROOT / COMPOSE).parent.joinpath(source).is_dir()
            assert here, f"{COMPOSE}: {name} mounts {source}, which is not in the tree"


def test_compose_starts_the_envoy_that_the_tests_start():
    option, path = yaml.safe_load(text(COMPOSE))["services"]["envoy"]["command"]
    bootstrap = path.replace("/etc/envoy/", "gateway-configs/envoy/")
    assert option == "--config-path", f"{COMPOSE}: Envoy is started without its bootstrap"
    assert (ROOT / bootstrap).is_file(), f"{COMPOSE}:1: {bootstrap} does not exist. Name the bootstrap that does."


def test_the_unit_is_closed():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text(UNIT))
    service = parser["Service"]
    for key, value in {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateDevices": "yes",
        "CapabilityBoundingSet": "",
        "Restart": "always",
        "StateDirectory": "turnout",
    }.items():
        assert service.get(key) == value, f"{UNIT}: {key}={service.get(key)}, and it should be {key}={value}"


def test_the_image_runs_as_nobody_and_is_pinned():
    image = text("Dockerfile")
    _, final = image.rsplit("\nFROM ", 1)
    assert re.search(rf"^USER {UID}:{UID}$", final, flags=re.MULTILINE), "Dockerfile: the image would run as root"
    for word in ("HEALTHCHECK", "VOLUME /var/lib/turnout", "pip uninstall"):
        assert word in final, f"Dockerfile: the final stage has no {word}"
    assert "--constraint constraints.txt /wheels" in image, "Dockerfile: dependencies are not those that were tested"
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", image, re.MULTILINE)
        for source in line.split()
    }
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert copied == allowed, f".dockerignore: {copied ^ allowed} differs from what the Dockerfile copies"


def test_the_dashboard_asks_only_for_metrics_that_exist():
    page = "deploy/grafana/turnout.json"
    dashboard = json.loads(text(page))
    asked = set(re.findall(r"\bturnout_[a-z0-9_]+", json.dumps(dashboard)))
    known = {meter.name for meter in meters()}
    gone = sorted(name for name in asked if re.sub(r"_(bucket|sum|count)$", "", name) not in known)
    assert not gone, f"{page}:1: not registered in controller/observe: {', '.join(gone)}. Correct the dashboard."


def test_ci_can_be_run():
    assert os.access(ROOT / ".ci/run", os.X_OK), ".ci/run:1: not executable; chmod +x"
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


@pytest.fixture
def probed():
    """A controller's door, for the time of a test."""

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_): ...

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "exit_code"), [("/healthz", 0), ("/gone", 1)])
def test_the_probe_tells_life_from_trouble(probed, path, exit_code):
    answered = _probe(f"127.0.0.1:{probed.server_port}", path)
    assert answered.returncode == exit_code, f"the health check is wrong about {path}: {answered.stderr}"


def test_the_probe_tells_what_it_could_not_reach():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refused = _probe(f"127.0.0.1:{port}", "/healthz")
    assert refused.returncode == 1, "a dead controller would be called healthy"
    assert str(port) in refused.stderr, "nobody would know what was probed"


def test_the_probe_asks_over_tls_where_that_is_served(probed, tmp_path):
    certificate = trustme.CA().issue_cert("turnout.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    probed.socket = context.wrap_socket(probed.socket, server_side=True)
    answered = _probe(f"127.0.0.1:{probed.server_port}", "/healthz", TURNOUT_HTTP_CERT=str(tmp_path / "both.pem"))
    assert answered.returncode == 0, f"a healthy controller would be restarted for ever: {answered.stderr}"


def _probe(address, path, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "deploy/probe.py", path],
        env={"TURNOUT_HTTP": address, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
