import pytest
from pydantic import ValidationError

from controller.settings.traefik import TraefikSettings

API = "http://127.0.0.1:8080"


def traefik(**spec):
    return TraefikSettings.model_validate({"api": API, **spec})


def test_a_directory_is_enough():
    made = traefik(directory="/etc/traefik/dynamic")
    assert (made.provider, made.throttle_s, made.entry_points) == ("file", 2.0, ()), "Traefik's own defaults"
    assert (made.metrics, made.health_check, made.authorization_file) == (None, None, None)


def test_one_that_polls_says_where():
    made = traefik(provider="http", listen="127.0.0.1:8901", pollInterval="250ms")
    assert (made.listen, made.poll_interval_s) == ("127.0.0.1:8901", 0.25)


def test_instances_are_looked_after_where_it_is_said():
    check = traefik(directory="x", healthCheck={"path": "/healthz"}).health_check
    assert (check.path, check.interval_s, check.timeout_s) == ("/healthz", 5.0, 2.0)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({}, "is missing for provider file"),
        ({"provider": "http"}, "is missing for provider http"),
        ({"directory": "x", "listen": "127.0.0.1:1"}, "is not for provider file"),
        ({"provider": "http", "directory": "x", "listen": "127.0.0.1:1"}, "is not for provider http"),
        ({"directory": "x", "authorizationFile": "a", "authorizationEnv": "A"}, "a second time"),
        ({"directory": "x", "healthCheck": {"path": "/", "interval": "1s", "timeout": "1s"}}, "not shorter"),
        ({"directory": "x", "api": "http://me:secret@127.0.0.1:8080"}, "holds credentials"),
        ({"directory": "x", "entryPoints": ["we b"]}, "entryPoints"),
        ({"directory": "a\nb"}, "directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(spec, what):
    with pytest.raises(ValidationError) as raised:
        traefik(**spec)
    assert what in str(raised.value)
    assert "secret" not in str(raised.value)
