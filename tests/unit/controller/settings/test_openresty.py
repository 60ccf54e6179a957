import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from controller.roster import gateway_profile
from controller.settings.gateway import GatewaySettings
from controller.settings.loading import load
from controller.settings.openresty import OpenRestySettings

SHIPPED = Path(__file__).resolve().parents[4] / "gateway-configs" / "openresty"


def settings(**fields):
    return OpenRestySettings.model_validate({"control": "http://127.0.0.1:10001", "tokenFile": "/etc/token", **fields})


@pytest.mark.parametrize(
    "control", ["unix:/run/turnout/control.sock", "http://127.0.0.1:1", "http://[::1]:10001", "http://localhost:80"]
)
def test_loopback_and_sockets_are_taken(control):
    assert settings(control=control).control == control


@pytest.mark.parametrize(
    "control",
    [
        "unix:relative.sock",
        "unix:/",
        "http://10.0.0.1:10001",
        "http://edge.example.com:10001",
        "https://127.0.0.1:10001",
        "http://127.0.0.1",
        "http://127.0.0.1:10001/path",
        "http://127.0.0.1:99999",
        "127.0.0.1:10001",
        "http://[::1",
        "",
    ],
)
def test_what_would_carry_the_token_over_a_network_is_refused(control):
    with pytest.raises(ValidationError, match="is not a control endpoint"):
        settings(control=control)


def test_credentials_in_the_address_are_not_repeated():
    with pytest.raises(ValidationError) as raised:
        settings(control="http://ann:secret@127.0.0.1:1")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", [{"tokenFile": None}, {"tokenEnv": "TOKEN"}])
def test_a_token_comes_from_one_place(token):
    with pytest.raises(ValidationError, match="from one place"):
        settings(**token)


def test_what_the_adapter_is_made_with():
    spec = {
        "type": "openresty",
        "openresty": {"control": "unix:/run/c.sock", "tokenEnv": "TOKEN", "timeout": "1s", "observeInterval": "250ms"},
    }
    document = {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}, "spec": spec}
    profile = gateway_profile(GatewaySettings.model_validate(document))
    options = profile.options
    assert (profile.kind, options.control, options.timeout_s) == ("openresty", "unix:/run/c.sock", 1.0)
    assert (options.token.file, options.token.variable, options.observe_every_s) == (None, "TOKEN", 0.25)
    del spec["openresty"]
    with pytest.raises(ValidationError, match="openresty"):
        GatewaySettings.model_validate(document)


def test_the_example_goes_with_the_nginx_beside_it():
    guided = load(SHIPPED / "turnout.yaml").gateways["edge"].spec.openresty
    nginx = (SHIPPED / "nginx.conf").read_text()
    assert f"listen {guided.control.removeprefix('http://')};" in nginx, "nobody would answer"
    assert re.findall(r'token_file = "(.+?)"', nginx) == [guided.token_file], "its token would be another one"
