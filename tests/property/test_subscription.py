"""Whatever a client asks, takes and refuses, and whatever changes meanwhile: in the end it has just what it asked for.

The clients of this model follow the protocol document and nothing of ours. They work on bytes.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.xds.playbook import DELTA, EDS, SOTW, World, decode, endpoints
from xds import wire_pb2 as wire

NAMES = ("a", "b", "c", "d")
CONTENTS = ("1", "2", "bad")
a_name = st.sampled_from(NAMES)
names = st.frozensets(a_name)


class Model:
    """A client that refuses a response with anything bad in it, whole, and otherwise takes it."""

    def __init__(self, world, mode):
        self.client = world.client(mode)
        self.mode = mode
        self.asked: frozenset[str] = frozenset()
        self.has: dict[str, bytes] = {}
        self.nonces: set[str] = set()
        self.refused: list[tuple[str, bytes]] = []
        self.unanswered = None
        self.nonce = ""
        self._say(frozenset(), "")

    def ask(self, asked):
        before, self.asked = self.asked, asked
        if before - asked:
            self.refused.clear()  # what is left may be good without what is given up, which may be asked for again
        self.has = {name: body for name, body in self.has.items() if name in asked}
        self._say(before, self.nonce)

    def _say(self, before, nonce, error=None):
        detail = wire.Status(message=error) if error else None
        if self.mode is SOTW:
            message = wire.DiscoveryRequest(
                type_url=EDS.url, resource_names=self.asked, response_nonce=nonce, error_detail=detail
            )
        else:
            message = wire.DeltaDiscoveryRequest(
                type_url=EDS.url,
                resource_names_subscribe=self.asked - before,
                resource_names_unsubscribe=before - self.asked,
                response_nonce=nonce if nonce and (nonce != self.nonce or self.unanswered) else "",
                error_detail=detail,
            )
        self.client._say(message)

    def hear(self):
        """Hear what there is, without answering."""
        data = self.client.stream.pull(0.0)
        if data is None:
            return False
        heard = decode(self.mode, data)
        assert heard.nonce not in self.nonces, "a nonce came twice on one stream"
        self.nonces.add(heard.nonce)
        assert set(dict(heard.resources)) <= self.asked, "something came that was not asked for"
        assert self.unanswered is None, "a second response came before the first was answered"
        self.unanswered = heard
        return True

    def answer(self):
        heard, self.unanswered = self.unanswered, None
        if heard is None:
            return
        self.nonce = heard.nonce
        bad = sorted(name for name, body in heard.resources if b"bad" in body)
        if bad:
            fresh = tuple(sorted(heard.resources))
            assert fresh not in self.refused[-1:], "what was just refused came again unchanged"
            self.refused.append(fresh)
        else:
            self.has.update((name, body) for name, body in heard.resources if name in self.asked)
            for name in heard.removed:
                self.has.pop(name, None)
        if self.mode is SOTW:
            self._say(self.asked, heard.nonce, error=f"bad: {bad}" if bad else None)
        else:
            detail = wire.Status(message=f"bad: {bad}") if bad else None
            self.client._say(
                wire.DeltaDiscoveryRequest(type_url=EDS.url, response_nonce=heard.nonce, error_detail=detail)
            )


class Subscriptions(RuleBasedStateMachine):
    """Two clients of one world, one per variant, and contents that come, change and go."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.served: dict[str, str] = {}
        self.world.serve()
        self.models = [Model(self.world, SOTW), Model(self.world, DELTA)]

    @rule(name=a_name, content=st.sampled_from(CONTENTS))
    def put(self, name, content):
        self.served[name] = content
        self._serve()

    @rule(name=a_name)
    def remove(self, name):
        self.served.pop(name, None)
        self._serve()

    def _serve(self):
        self.world.serve(*(endpoints(name, content) for name, content in self.served.items()))

    @rule(which=st.integers(0, 1), asked=names)
    def ask(self, which, asked):
        self.models[which].ask(asked)

    @rule(which=st.integers(0, 1))
    def hear(self, which):
        self.models[which].hear()

    @rule(which=st.integers(0, 1))
    def answer(self, which):
        self.models[which].answer()

    @rule()
    def reconnect(self):
        for index, model in enumerate(self.models):
            model.client.stream.close(0.0)
            fresh = Model(self.world, model.mode)
            fresh.ask(model.asked)
            self.models[index] = fresh

    @invariant()
    def nobody_has_what_was_refused(self):
        for model in self.models:
            assert not any(b"bad" in body for body in model.has.values())

    def teardown(self):
        self.served = {name: "good" if content == "bad" else content for name, content in self.served.items()}
        self._serve()
        for model in self.models:
            for _ in range(100):
                model.answer()
                if not model.hear() and model.unanswered is None:
                    break
            wanted = {name: endpoints(name, self.served[name]).body for name in model.asked if name in self.served}
            had = model.has if model.mode is DELTA else {n: b for n, b in model.has.items() if n in self.served}
            assert had == wanted, f"a {model.mode.value} client ended with something else than it asked for"
            assert model.client.stream.pull(0.0) is None


TestSubscriptions = Subscriptions.TestCase
TestSubscriptions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
