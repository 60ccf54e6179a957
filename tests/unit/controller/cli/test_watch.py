import asyncio
import io
import json

import pytest
from rich.console import Console
from rich.live import Live

from controller.cli import watch as module
from controller.cli.failure import Exit, Failure
from controller.cli.options import Target
from controller.cli.picture import Agent, News, read
from controller.cli.watch import NEWS_SHOWN_MAX, NEWS_SHOWN_MIN, Lines, Picture, View, follow
from tests.unit.controller.cli.fake import HangUp, Raw, Refusal, agent, news, resting, stream

DEADLINE_S = 20


class Recorder:
    """A display that remembers, and says when what is waited for has come."""

    def __init__(self):
        self.notices = []
        self.heard_texts = []
        self.agents = ()
        self._waiting = []

    def look(self, view):
        self.agents = view.agents
        if not self.notices or self.notices[-1] != view.notice:
            self.notices.append(view.notice)
        self._tell()

    def heard(self, view, news):
        self.heard_texts.append(news.text)
        self.look(view)

    def _tell(self):
        for condition, future in self._waiting:
            if condition() and not future.done():
                future.set_result(None)

    async def until(self, condition):
        if not condition():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((condition, future))
            async with asyncio.timeout(DEADLINE_S):
                await future


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(module, "RETRY_S", 0.001)


async def watching(fake, recorder, *conditions, name=None):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow(Target(fake.url), name, recorder))
        for condition in conditions:
            await recorder.until(condition)
        task.cancel()


async def test_agents_and_decisions_are_shown(fake, recorder):
    fake.answers("GET", "/v1/agents", {"agents": [agent()]})
    fake.answers("GET", "/v1/events", stream(news(1, text="first"), news(2, text="second")), stream())
    await watching(fake, recorder, lambda: recorder.heard_texts == ["first", "second"], lambda: recorder.agents)
    assert recorder.agents[0].name == "code-assistant"


async def test_after_the_stream_broke_off_it_goes_on_where_it_was(fake, recorder):
    fake.answers("GET", "/v1/agents", {"agents": []})
    fake.answers("GET", "/v1/events", stream(news(7)), stream(news(8)), stream())
    await watching(fake, recorder, lambda: len(recorder.heard_texts) == 2)
    asked = [each.headers.get("Last-Event-ID") for each in fake.asked if each.path == "/v1/events"]
    assert asked[:2] == [None, "7"], "decisions would be missed, or told twice"


async def test_what_was_missed_is_told(fake, recorder):
    lost = {"what": "lost", "number": 12, "lost": 5, "text": "5 events were lost"}
    fake.answers("GET", "/v1/agents", {"agents": []})
    fake.answers("GET", "/v1/events", stream(lost), stream())
    await watching(fake, recorder, lambda: "5 events were lost" in recorder.heard_texts)


async def test_a_controller_that_goes_away_is_said_and_its_return_too(fake, recorder):
    here = {"agents": [agent()]}
    fake.answers("GET", "/v1/agents", here, HangUp(), HangUp(), HangUp(), HangUp(), here)
    fake.answers("GET", "/v1/events", HangUp(), stream())
    away = "The controller cannot be reached"
    await watching(
        fake,
        recorder,
        lambda: any(away in notice for notice in recorder.notices),
        lambda: recorder.notices[-1] == "" and recorder.agents,
    )


async def test_a_refusal_ends_it_because_waiting_does_not_mend_it(fake, recorder):
    problem = Refusal(401, {"detail": "A token is needed.", "code": "unauthenticated"})
    fake.answers("GET", "/v1/agents", problem)
    fake.answers("GET", "/v1/events", problem)
    with pytest.raises(Failure) as failure:
        await follow(Target(fake.url), None, recorder)
    assert failure.value.exit_code == Exit.REFUSED
    assert "TURNOUT_TOKEN" in failure.value.remedy


async def test_one_agent_is_watched_alone(fake, recorder):
    fake.answers("GET", "/v1/agents", {"agents": [agent(), resting(name="writer")]})
    events = stream(news(1, text="other", agent="writer"), news(2, text="mine"))
    fake.answers("GET", "/v1/events", events, stream())
    await watching(fake, recorder, lambda: recorder.heard_texts, lambda: recorder.agents, name="code-assistant")
    assert [each.name for each in recorder.agents] == ["code-assistant"]
    assert recorder.heard_texts[0] == "mine"


async def test_an_agent_that_is_not_there_is_said(fake, recorder):
    fake.answers("GET", "/v1/agents", {"agents": [agent()]})
    fake.answers("GET", "/v1/events", stream())
    await watching(fake, recorder, lambda: "There is no agent nobody." in recorder.notices, name="nobody")


def test_only_the_last_decisions_are_kept():
    view = View()
    view.news.extend(read(News, news(number)) for number in range(1000))
    assert len(view.news) == NEWS_SHOWN_MAX


def test_without_a_terminal_each_change_is_one_line(capsys):
    lines, view = Lines("text"), View((read(Agent, agent()),))
    lines.look(view)
    lines.look(view)
    lines.heard(view, read(News, news(1)))
    view.notice = "The controller cannot be reached: x."
    lines.look(view)
    view.notice = ""
    view.agents = (read(Agent, agent(phase="paused")),)
    lines.look(view)
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "code-assistant health-check 2/3: candidate 1.3.0 10 % → 10 % undecided",
        "12:04:07 code-assistant step: step 2 of 3: 10 % candidate",
        "code-assistant paused 2/3: candidate 1.3.0 10 % → 10 % undecided",
    ]
    assert told.err.splitlines() == [
        "turnout: The controller cannot be reached: x.",
        "turnout: the controller is back.",
    ]


def test_programs_get_one_json_document_a_line(capsys):
    lines, view = Lines("json"), View((read(Agent, agent()),))
    lines.look(view)
    lines.heard(view, read(News, news(1)))
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["agent"]["wanted"]["candidate_percent"] == 10.0
    assert second["news"]["what"] == "step"


def test_on_a_terminal_the_picture_is_redrawn():
    file = io.StringIO()
    out = Console(file=file, width=110, height=40, force_terminal=True, color_system=None, markup=False)
    with Live(console=out, auto_refresh=False) as live:
        picture, view = Picture(live), View((read(Agent, agent()),))
        picture.look(view)
        view.news.append(read(News, news(1)))
        picture.heard(view, view.news[-1])
    assert "last decisions" in file.getvalue()
    assert "evidence of a breach" in file.getvalue()


@pytest.mark.parametrize(("height", "told"), [(10, NEWS_SHOWN_MIN), (25, 9), (200, NEWS_SHOWN_MAX)])
def test_as_many_decisions_are_drawn_as_there_is_room_for(height, told):
    file = io.StringIO()
    out = Console(file=file, width=110, height=height, force_terminal=True, color_system=None, markup=False)
    view = View((read(Agent, agent()),))
    view.news.extend(read(News, news(number, text=f"happening {number}")) for number in range(100))
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        Picture(live).look(view)
        drawn = file.getvalue()
    assert drawn.count("happening") == told
    assert "happening 99" in drawn, "the newest decision is the one that matters"


def test_ctrl_c_ends_it_cleanly(turnout, monkeypatch):
    async def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "follow", interrupted)
    result = turnout("watch")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_refusal_has_its_exit_code(turnout, fake):
    problem = Refusal(403, {"detail": "ann may not do this.", "code": "denied"})
    fake.answers("GET", "/v1/agents", problem)
    fake.answers("GET", "/v1/events", Raw(content_type="text/event-stream"))
    result = turnout("watch")
    assert result.exit_code == 1
    assert "ann may not do this." in result.stderr
