from hypothesis import given
from hypothesis import strategies as st

from adapters.traefik.document import NOBODY, Document
from adapters.traefik.edition import Edition, Wanted, follow

AGENTS = ("a", "b", "c")


def services(share):
    return {"services": {"x": {"weight": share}}}


def wanted(shares, asked):
    return Wanted(Document({NOBODY: {}, **{agent: services(share) for agent, share in shares.items()}}), asked)


def first(shares):
    return follow(Edition("0a"), wanted(shares, dict.fromkeys((*shares, NOBODY), 1)), None, "")


def edited(edition, **shares):
    return Document({**edition.stands.agents, **{agent: services(share) for agent, share in shares.items()}})


def test_editions_are_numbered_and_told_apart():
    one = first({"a": 1})
    assert (one.stamp, one.number_of("0a-1"), one.since["a"]) == ("0a-1", 1, 1)
    two = follow(one, wanted({"a": 2}, {"a": 2, NOBODY: 1}), one.stands, one.stamp)
    assert (two.stamp, two.since["a"]) == ("0a-2", 2)
    for strange in ("", "0b-1", "0a-", "0a-x", "0a-1-1", "0a", f"0a-{'f' * 99}"):
        assert two.number_of(strange) == -1, f"{strange!r} was taken for an edition of ours"


def test_what_stands_is_not_put_again():
    one = first({"a": 1, "b": 1})
    again = follow(one, wanted({"a": 1, "b": 1}, {"a": 2, "b": 1, NOBODY: 1}), one.stands, one.stamp)
    assert (again.stamp, again.answers("a", 2), again.answers("a", 1)) == (one.stamp, True, False)
    another = follow(again, again.wanted, edited(again), "0a-9")
    assert another.stamp == "0a-2", "what Traefik shows would be taken for an older edition"


def test_what_an_earlier_controller_left_is_adopted_if_it_is_the_same():
    left = first({"a": 1})
    same = follow(Edition("0b"), left.wanted, Document(left.stands.agents), "0a-1")
    assert (same.stamp, same.number_of("0a-1"), same.since["a"]) == ("0a-1", 0, 0)
    after = follow(same, wanted({"a": 1, "b": 1}, {"a": 1, "b": 2, NOBODY: 1}), same.stands, same.stamp)
    assert (after.stamp, after.since) == ("0b-1", {NOBODY: 0, "a": 0, "b": 1}), "nobody would wait for who is new"
    assert after.number_of("0a-1") == 0
    unmarked = follow(Edition("0b"), left.wanted, Document(left.stands.agents), "")
    assert unmarked.stamp == "0b-1", "nothing would ever show that Traefik has loaded it"
    other = follow(Edition("0b"), left.wanted, edited(left, a=7), "0a-1")
    assert (other.stamp, other.left) == ("0b-1", frozenset()), "a controller that begins gives way to nobody"


def test_an_edit_is_carried_until_its_own_agent_asks():
    one = first({"a": 1, "b": 1})
    found = edited(one, a=7)
    assert "weight is 7, not 1" in one.change("a", found)
    assert one.change("b", found) == "", "an agent is blamed for what was done to another one"
    two = follow(one, wanted({"a": 1, "b": 2}, {"a": 1, "b": 2, NOBODY: 1}), found, one.stamp)
    assert (two.stands.of("a"), two.stands.of("b")) == (services(7), services(2))
    assert two.change("a", two.stands), "what somebody has changed would be taken for what was decided"
    assert two.change("a", edited(two, a=1)) == "", "who changes it back is not believed"
    back = follow(two, wanted({"a": 1, "b": 2}, {"a": 3, "b": 2, NOBODY: 1}), two.stands, two.stamp)
    assert (back.stands.of("a"), back.since["a"]) == (services(1), 3), "what Traefik shows may be from before the edit"
    assert back.since["b"] == 2, "everybody would wait for one agent's return"


def test_what_is_nobodys_is_carried_and_what_was_an_agents_is_not():
    one = first({"a": 1})
    theirs = {"middlewares": {"theirs": {}}}
    found = Document({**one.stands.agents, NOBODY: theirs, "gone": services(1)})
    two = follow(one, wanted({"a": 2}, {"a": 2, NOBODY: 1}), found, one.stamp)
    assert (two.stands.of(NOBODY), two.stands.of("gone")) == (theirs, {}), "an agent's router may need it"


def test_a_change_is_told_in_a_few_words():
    one = first({"a": 1})
    for parts, words in {
        "x (services) is gone": {},
        "y (routers) is new": {**services(1), "routers": {"y": {}}},
        "x (services): it says more": {"services": {"x": {"weight": 1, "more": 1}}},
    }.items():
        assert one.change("a", Document({"a": words})) == parts


HAPPENINGS = st.tuples(
    st.sampled_from(("ask", "fail", "edit", "undo", "lose")), st.sampled_from(AGENTS), st.integers(0, 3)
)


@given(st.lists(HAPPENINGS))
def test_nobody_is_blamed_and_nothing_undone_but_for_its_own_agent(happenings):
    """Any order of wishes, of writes that fail, of somebody's edits, and of a file that is lost."""
    shares, asked = dict.fromkeys(AGENTS, 0), dict.fromkeys((*AGENTS, NOBODY), 1)
    edition = first(shares)
    found, stamp, past = edition.stands, edition.stamp, [edition]
    put, hands, waiting = dict(shares), {}, set()
    for wish, (what, agent, share) in enumerate(happenings, 2):
        if what in {"ask", "fail"}:
            shares, asked = {**shares, agent: share}, {**asked, agent: wish}
            waiting.add(agent)
            after = follow(edition, wanted(shares, asked), found, stamp)
            if what == "ask":
                hands = {who: hand for who, hand in hands.items() if who not in waiting}
                put |= {who: shares[who] for who in AGENTS if who not in hands}
                waiting.clear()
                edition, found, stamp = after, after.stands, after.stamp
                past.append(edition)
        elif what == "lose":
            found, stamp, hands = None, "", {}
        elif found is not None:
            hands[agent] = put[agent] if what == "undo" else share
            found = Document({**found.agents, agent: services(hands[agent])})
        hands = {who: hand for who, hand in hands.items() if hand != put[who]}
        for who in AGENTS if found is not None else ():
            assert found.of(who) == services(hands.get(who, put[who])), "somebody's edit was undone, or a wish was lost"
            assert bool(edition.change(who, found)) == (who in hands), "a person is blamed, or nobody finds their edit"
        for who in AGENTS:
            proving = [one for one in past if one.number >= edition.since[who]]
            assert all(one.stands.of(who) == edition.stands.of(who) for one in proving), (
                "an old edition proves a new one"
            )
