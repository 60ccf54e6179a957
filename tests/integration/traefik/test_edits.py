"""What a real Traefik serves when somebody has edited our file, and another agent's rollout goes on."""

import json

from adapters.port import Applied, Assignment, Proof, Route, Split
from tests.contract.play import confirmed, until


def at(old, new, candidate_bp, agent="bot"):
    hosts = ("*",) if agent == "bot" else (f"{agent}.test",)
    return Assignment(agent, Route(hosts), old.version, new.version, Split(candidate_bp))


def edit(stage, agent, change):
    """Somebody's hand, as an editor does it: `change` is given the agent's own service."""
    path = stage.directory / "turnout-edge.yml"
    lines = path.read_text().splitlines()
    (number,) = (at for at, line in enumerate(lines) if line.startswith(f'    "turnout.{agent}": {{"weighted"'))
    name, _, part = lines[number].partition(": ")
    service = json.loads(part)
    change(service["weighted"])
    lines[number] = f"{name}: {json.dumps(service)}"
    draft = path.with_suffix(".new")
    draft.write_text("\n".join([*lines, ""]))
    draft.replace(path)


def give_all(weighted):
    for service, weight in zip(weighted["services"], (0, 10_000), strict=True):
        service["weight"] = weight


async def test_an_edit_that_is_asked_about_survives_another_agents_rollout(open_traefik, old, new, ask):
    stage = await open_traefik()
    for agent in ("edited", "other"):
        await confirmed(stage.adapter, at(old, new, 1_000, agent))
    edit(stage, "edited", give_all)

    async def is_followed():
        return set(await ask(stage.url, 20, host="edited.test")) == {(200, new.name)}

    await until(is_followed, "Traefik follows the edit")
    assert (await stage.adapter.verify("edited")).proof is Proof.DRIFTED
    assert (await stage.adapter.verify("other")).proof is Proof.APPLIED, "a stranger's edit would pause its rollout"
    await confirmed(stage.adapter, at(old, new, 10_000, "other"))
    await confirmed(stage.adapter, at(old, new, 0, "other"))
    assert set(await ask(stage.url, 50, host="other.test")) == {(200, old.name)}
    assert set(await ask(stage.url, 50, host="edited.test")) == {(200, new.name)}, (
        "it was undone, and nobody had answered"
    )
    await confirmed(stage.adapter, at(old, new, 0, "edited"))
    assert set(await ask(stage.url, 50, host="edited.test")) == {(200, old.name)}, "a way back gave way to an edit"


async def test_an_edit_that_traefik_refuses_holds_no_rollback_up_for_long(open_traefik, old, new, ask):
    """One field that it does not know, and it loads nothing of the whole document, and says so in its log only."""
    stage = await open_traefik()
    for agent in ("edited", "other"):
        await confirmed(stage.adapter, at(old, new, 1_000, agent))
    edit(stage, "edited", lambda weighted: weighted.update(nonsense=True))
    outcomes = []
    while Applied.CONFIRMED not in outcomes:
        receipt = await stage.adapter.apply(at(old, new, 0, "other"), timeout_s=10.0)
        outcomes.append(receipt.outcome)
        assert len(outcomes) <= 2, f"a rollback waits for whoever made a mistake: {receipt}"
    assert set(await ask(stage.url, 50, host="other.test")) == {(200, old.name)}
    await confirmed(stage.adapter, at(old, new, 1_000, "edited"))
    assert (await stage.adapter.verify("edited")).proof is Proof.APPLIED
