import pytest
from pydantic import ValidationError

from controller.settings.gateway import GatewaySettings
from controller.settings.kong import KongSettings

NODES = ("http://127.0.0.1:8001",)


def kong(**fields):
    return KongSettings.model_validate({"nodes": NODES, **fields})


def gateway(**fields):
    header = {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}}
    return GatewaySettings.model_validate({**header, "spec": {"type": "kong", **fields}})


def test_a_kong_needs_only_its_nodes():
    plain = kong()
    assert (plain.nodes, plain.upstream, plain.timeout_s) == (("http://127.0.0.1:8001",), "{agent}.turnout", 2.0)
    assert (plain.workspace, plain.token_env, plain.token_file, plain.http_log) == (None, None, None, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": ()}, "at least 1"),
        ({"nodes": NODES * 2}, "names a node twice"),
        ({"nodes": ("http://me:secret@127.0.0.1:8001",)}, "holds credentials"),
        ({"upstream": "all"}, "the same for every agent"),
        ({"upstream": "{agent}{x}"}, "a brace too many"),
        ({"tokenEnv": "KONG_TOKEN", "tokenFile": "/run/token"}, "names the token a second time"),
        ({"timeout": "1h"}, "longer than 10s"),
        ({"httpLog": {"listen": "example.com:8900"}}, "names a host"),
        ({"token": "s3cret"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words) as raised:
        kong(**fields)
    assert "s3cret" not in str(raised.value)
    assert "secret@" not in str(raised.value)


def test_a_kong_without_its_nodes_is_told_what_to_add():
    with pytest.raises(ValidationError, match="is missing"):
        gateway()


def test_a_kong_reports_latency_only_where_it_logs_to_us():
    assert not gateway(kong={"nodes": NODES}).reports_latency, "an objective would be taken that never gets data"
    logged = gateway(kong={"nodes": NODES, "httpLog": {"listen": "127.0.0.1:8910"}})
    assert logged.reports_latency
    assert logged.is_logged
