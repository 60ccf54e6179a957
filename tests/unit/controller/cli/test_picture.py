import dataclasses
import json
import re
from pathlib import Path

import pytest

from controller.api import agents, drains, gateways, proposals, shape, trail
from controller.api import news as news_api
from controller.cli import picture
from controller.cli.failure import Exit, Failure
from controller.cli.picture import Agent, Build, Gateway, Gateways, News, Proposal, read, read_agents
from tests.unit.controller.cli.fake import agent, behind, link, news

API_PAGE = Path(__file__).parents[4] / "docs" / "api.md"


@pytest.mark.parametrize(("name", "shape"), [("Agent", Agent), ("Proposal", Proposal), ("Gateway", Gateway)])
def test_what_the_api_documents_is_understood(name, shape):
    example = re.search(rf"`{name}`:\n\n```json\n(.+?)```", API_PAGE.read_text(), re.DOTALL)
    assert example, f"docs/api.md shows no {name}"
    assert read(shape, json.loads(example[1]))


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (picture.Agent, agents.AgentTold),
        (picture.Build, shape.VersionTold),
        (picture.Share, shape.SplitTold),
        (picture.Rollout, agents.RolloutTold),
        (picture.Stop, agents.StepTold),
        (picture.Timer, agents.TimerTold),
        (picture.Link, agents.GatewaySplitTold),
        (picture.Receipt, agents.ReceiptTold),
        (picture.Observed, agents.ObservedTold),
        (picture.Finding, agents.FindingTold),
        (picture.Counts, agents.CountsTold),
        (picture.Drain, agents.DrainTold),
        (picture.Gateway, gateways.GatewayTold),
        (picture.Held, gateways.GatewayAgentTold),
        (picture.Proposal, proposals.ProposalTold),
        (picture.News, news_api.NewsTold),
        (picture.Told, trail.RecordTold),
        (picture.Page, trail.TrailTold),
        (picture.Drained, drains.DrainedTold),
    ],
    ids=lambda each: each.__name__,
)
def test_nothing_is_hoped_for_that_the_api_does_not_tell(shape, told):
    hoped = {field.name for field in dataclasses.fields(shape)}
    assert hoped <= set(told.model_fields), "a column would be empty, or the whole answer not understood"


def test_an_agent_is_confirmed_when_every_gateway_says_so():
    assert read(Agent, agent()).confirmed_everywhere
    assert not read(Agent, agent(gateways=[link(), behind("edge-2")])).confirmed_everywhere
    assert not read(Agent, agent(gateways=[])).confirmed_everywhere, "nobody has confirmed anything"


def test_requests_in_flight_are_summed_over_gateways():
    told = read(Agent, agent(gateways=[link(), link("edge-2", in_flight={"1.2.3": 2})]))
    assert told.in_flight(told.stable) == 42
    assert told.in_flight(told.candidate) is None, "one gateway cannot say, and that is not 0"
    assert told.in_flight(None) is None
    assert told.in_flight(Build("9.9.9")) is None


def test_fields_of_a_newer_controller_do_no_harm():
    assert read(News, {**news(1), "mood": "good"}).what == "step"


def test_an_answer_of_another_program_is_told_by_field():
    with pytest.raises(Failure) as failure:
        read_agents({"agents": [agent(change="seven")]})
    assert failure.value.exit_code == Exit.UNREACHABLE
    assert "agents.0.change" in failure.value.what


def test_no_gateways_is_an_answer():
    assert read(Gateways, {"gateways": []}) == Gateways((), ())
