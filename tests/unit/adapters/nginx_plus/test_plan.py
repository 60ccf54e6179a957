import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.nginx_plus.plan import NotPossibleError, Server, changes, difference, fields, server_name, weighted
from adapters.port import Assignment, Route, Split, Version

STABLE, CANDIDATE = Version("1", ("10.0.0.1:80", "10.0.0.2:80")), Version("2", ("10.0.0.3:80",))


def assignment(candidate_bp=0, stable=STABLE, candidate=CANDIDATE):
    return Assignment("bot", Route(), stable, candidate, split=Split(candidate_bp))


def share(weights, candidate):
    return sum(weights.get(name, 0) for name in candidate) / sum(weights.values())


@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20))
def test_shares_are_exact_and_instances_of_one_version_equal(bp, stables, candidates):
    stable = Version("1", tuple(f"10.0.0.{index}:80" for index in range(stables)))
    candidate = Version("2", tuple(f"10.0.1.{index}:80" for index in range(candidates)))
    rest, own = weighted(assignment(bp, stable, candidate))
    assert share({**rest, **own}, own) == pytest.approx(bp / 10_000, abs=1e-12)
    assert len(set(rest.values())) == len(set(own.values())) == 1


def test_what_cannot_be_done_is_refused_and_a_way_back_never_is():
    twin = Version("2", STABLE.endpoints)
    with pytest.raises(NotPossibleError, match=r"share 10\.0\.0\.1:80"):
        weighted(assignment(1, candidate=twin))
    assert weighted(assignment(0, candidate=twin)) == ({"10.0.0.1:80": 1, "10.0.0.2:80": 1}, {})
    with pytest.raises(NotPossibleError, match="copies"):
        weighted(Assignment("bot", Route(), STABLE, CANDIDATE, split=Split(mirror_bp=1)))


NAMES = [f"10.0.0.{index}:80" for index in range(6)]
WEIGHT = st.integers(0, 500)


@given(st.dictionaries(st.sampled_from(NAMES), WEIGHT), st.lists(WEIGHT, min_size=4, max_size=4))
def test_no_step_between_gives_the_candidate_more_or_everybody_nothing(now, weights):
    servers = {name: Server(index, weight or 1, is_out=not weight) for index, (name, weight) in enumerate(now.items())}
    stable, own = dict(zip(NAMES[:2], weights[:2], strict=True)), dict(zip(NAMES[2:4], weights[2:], strict=True))
    if not sum(weights) or not sum(now.values()):
        return
    most = max(share(now, own), share({**stable, **own}, own))
    present = dict(now)
    for name, weight in changes(servers, stable, own):
        present[name] = weight
        assert sum(present.values()) > 0, "every request would get 502"
        assert share(present, own) <= most + 1e-9, "the candidate has more than was agreed to"
    assert {name: weight for name, weight in present.items() if weight} == {
        name: weight for name, weight in {**stable, **own}.items() if weight
    }


def test_a_weight_of_0_is_down():
    assert fields(Server(1, 5), 0) == {"down": True}, "NGINX rejects a weight of 0"
    assert fields(None, 7) == {"weight": 7, "down": False}
    assert fields(Server(1, 5, is_out=True, is_draining=True), 7) == {"weight": 7, "down": False, "drain": False}


def test_what_differs_is_said():
    now = {"a:80": Server(0, 9), "b:80": Server(1, 1, is_out=True, is_draining=True)}
    assert "a:80 has weight 9, not weight 8" in difference(now, {"a:80": 8, "b:80": 0})
    assert "b:80 drains" in difference(now, {"a:80": 9, "b:80": 0}), "sticky sessions would stay on a candidate"
    assert "c:80 is gone" in difference({}, {"c:80": 1})
    assert "a:80 has weight 9, and is not down" in difference(now, {})
    assert difference({"a:80": Server(0, 9)}, {"a:80": 9}) == ""


@pytest.mark.parametrize(
    ("written", "name"),
    [("A.Internal:80", "a.internal:80"), ("10.0.0.1", "10.0.0.1:80"), ("[::1]", "[::1]:80"), ("[0::1]:8", "[::1]:8")],
)
def test_servers_have_one_spelling(written, name):
    assert server_name(written) == name
