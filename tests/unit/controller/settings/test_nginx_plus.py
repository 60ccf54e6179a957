import pytest
from pydantic import ValidationError

from controller.settings.nginx_plus import NginxPlusSettings

NODES = ("http://127.0.0.1:8080/api",)


def nginx(**fields):
    return NginxPlusSettings.model_validate({"nodes": NODES, **fields})


def test_an_nginx_plus_needs_only_its_nodes():
    plain = nginx()
    assert (plain.nodes, plain.upstream, plain.keyval) == (NODES, "{agent}", None)


def test_percentages_are_kept_in_basis_points():
    assert nginx(keyval={"zone": "splits", "percentages": (0.5, 10, 100)}).keyval.percentages == (50, 1_000, 10_000)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": ()}, "at least 1"),
        ({"nodes": NODES * 2}, "names an instance twice"),
        ({"upstream": "all"}, "names no agent"),
        ({"upstream": "{agent}}"}, "names no agent"),
        ({"keyval": {"zone": "splits", "percentages": ()}}, "at least 1"),
        ({"keyval": {"zone": "splits", "percentages": (10, 50)}}, "lacks 100"),
        ({"authorizationEnv": "A", "authorizationFile": "b"}, "names the header a second time"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        nginx(**fields)
