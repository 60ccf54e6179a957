import pytest
from pydantic import ValidationError

from controller.roster import gateway_profile
from controller.settings.gateway import GatewaySettings
from controller.settings.haproxy import HaproxySettings

SOCKETS = ("unix:/run/haproxy/admin.sock",)


def haproxy(**fields):
    return HaproxySettings.model_validate({"sockets": SOCKETS, **fields})


def options(**fields):
    header = {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}}
    spec = {"type": "haproxy", "haproxy": {"sockets": SOCKETS, **fields}}
    return gateway_profile(GatewaySettings.model_validate({**header, "spec": spec})).options


def test_a_haproxy_needs_only_its_sockets_and_divides_exactly():
    plain = haproxy()
    assert (plain.divide_by, plain.master, plain.state_file, plain.map_file, plain.timeout_s) == (
        "map",
        *[None] * 3,
        2.0,
    )
    assert options().layout.map == "/etc/haproxy/turnout.map"
    assert options().layout.backends("bot") == ("bot_stable", "bot_candidate")


def test_weights_divide_one_backend():
    layout = options(divideBy="weights", backend="agent-{agent}").layout
    assert layout.map is None
    assert layout.backends("bot") == ("agent-bot",)


@pytest.mark.parametrize(
    "socket", ["unix:/run/haproxy/admin.sock", "unix:run/admin.sock", "127.0.0.1:9999", "[::1]:9999", "edge-1:9999"]
)
def test_a_socket_is_a_path_or_an_address(socket):
    assert haproxy(sockets=(socket,)).sockets == (socket,)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sockets": ()}, "at least 1"),
        ({"sockets": SOCKETS * 2}, "names a process twice"),
        ({"sockets": ("/run/haproxy/admin.sock",)}, "is not a socket"),
        ({"sockets": ("127.0.0.1:0",)}, "is not a socket"),
        ({"sockets": ("127.0.0.1:65536",)}, "is not a socket"),
        ({"sockets": ("unix:/run/x;shutdown",)}, "is not a socket"),
        ({"sockets": (*SOCKETS, "127.0.0.1:1"), "master": "unix:/run/master.sock"}, "there are several processes"),
        ({"stableBackend": "all"}, "names no agent"),
        ({"candidateBackend": "{agent}{x}"}, "names no agent"),
        ({"candidateBackend": "{agent}_stable"}, "is stable's backend too"),
        ({"backend": "{agent};x"}, "match"),
        ({"map": "/etc/a b"}, "match"),
        ({"divideBy": "weights", "mapFile": "/etc/x"}, "has no use"),
        ({"timeout": "1h"}, "longer than 10s"),
        ({"latencyLog": "0.0.0.0:5140"}, "is not on loopback"),
        ({"latencyLog": "10.0.0.1:5140"}, "is not on loopback"),
        ({"latencyLog": "localhost:5140"}, "names a host"),
        ({"latencyLog": "127.0.0.1"}, "is not an endpoint"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        haproxy(**fields)


def test_latency_is_reported_where_the_log_comes():
    def reports_latency(**fields):
        header = {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}}
        spec = {"type": "haproxy", "haproxy": {"sockets": SOCKETS, **fields}}
        return GatewaySettings.model_validate({**header, "spec": spec}).reports_latency

    assert not reports_latency(), "an objective would be taken that never gets data"
    assert reports_latency(latencyLog="[::1]:5140")
    assert options(latencyLog="[::1]:5140").latency_log == "[::1]:5140"
    assert options().latency_log is None
