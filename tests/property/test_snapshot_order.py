"""At no moment does a client that follows the order of responses refer to something that it does not have.

The client here is as strict as can be: it applies a response at once, and answers whenever it likes.
"""

from ast import literal_eval

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.xds.playbook import (
    CDS,
    DELTA,
    EDS,
    LDS,
    RDS,
    SOTW,
    World,
    aggregate,
    cluster,
    decode,
    endpoints,
    listener,
    routes,
)
from xds.snapshot import Snapshot

CLUSTERS = ("a", "b", "c")


@st.composite
def snapshots(draw):
    """Consistent snapshots: some clusters, perhaps one made of others, tables that guide to some of them."""
    present = draw(st.lists(st.sampled_from(CLUSTERS), min_size=1, unique=True))
    contents = st.sampled_from(["1", "2"])
    resources = [cluster(name, draw(contents)) for name in present]
    resources += [endpoints(name, draw(contents)) for name in present]
    targets = list(present)
    if draw(st.booleans()):
        resources.append(aggregate("slot", *draw(st.lists(st.sampled_from(present), min_size=1, unique=True))))
        targets.append("slot")
    tables = draw(st.lists(st.sampled_from(["x", "y"]), min_size=1, unique=True))
    for table in tables:
        used = draw(st.lists(st.sampled_from(targets), min_size=1, unique=True))
        resources.append(routes(table, draw(contents), to=used))
        resources.append(listener("to-" + table, draw(contents), routes=table))
    return Snapshot.of(resources)


class Envoy:
    """Asks for everything, takes everything, applies at once, answers when it is told to."""

    def __init__(self, world, mode):
        self.mode = mode
        self.client = world.client(mode)
        self.has: dict[object, dict[str, bytes]] = {type_: {} for type_ in (CDS, EDS, LDS, RDS)}
        self.asked: dict[object, set[str]] = {EDS: set(), RDS: set()}
        self.unanswered = []
        self.used_until_acked: dict[str, set[str]] = {}
        for type_ in (CDS, LDS):
            self.client.asks(type_) if mode is SOTW else self.client.subscribes(type_)

    def hear(self):
        data = self.client.stream.pull(0.0)
        if data is None:
            return False
        heard = decode(self.mode, data)
        has = self.has[heard.type]
        if self.mode is SOTW and heard.type in {CDS, LDS}:
            has.clear()
        has.update(heard.resources)
        for name in heard.removed:
            has.pop(name, None)
        self.unanswered.append(heard)
        return True

    def answer(self):
        if not self.unanswered:
            return False
        heard = self.unanswered.pop(0)
        self.client.last[heard.type] = heard
        if heard.type in {CDS, LDS}:
            self.client.acks(heard.type)
            follows, prefix = (EDS, b"cluster") if heard.type is CDS else (RDS, b"listener")
            wanted = {
                name if follows is EDS else name.removeprefix("to-")
                for name, body in self.has[heard.type].items()
                if body.startswith(prefix)
            }
            self._follow(follows, wanted)
        else:
            self.client.acks(heard.type, *(self.asked[heard.type] if self.mode is SOTW else ()))
        return True

    def _follow(self, type_, wanted):
        before, self.asked[type_] = self.asked[type_], wanted
        self.has[type_] = {name: body for name, body in self.has[type_].items() if name in wanted}
        if wanted == before:
            return
        if self.mode is SOTW:
            last = self.client.last.get(type_)
            self.client.asks(type_, *wanted, nonce=last.nonce if last else "")
        else:
            self.client.subscribes(type_, *(wanted - before), unsubscribe=before - wanted)

    def dangling(self):
        """Clusters that a table in use guides to, and that are not there."""
        used = set()
        for body in self.has[RDS].values():
            used |= set(literal_eval(body.split(b" ", 3)[3].decode()))
        for name in list(used):
            body = self.has[CDS].get(name, b"")
            if body.startswith(b"aggregate"):
                used |= set(literal_eval(body.split(b" ", 2)[2].decode()))
        return used - set(self.has[CDS])


class Order(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()
        self.envoys = [Envoy(self.world, SOTW), Envoy(self.world, DELTA)]
        self.snapshot = None

    @rule(snapshot=snapshots())
    def serve(self, snapshot):
        self.snapshot = snapshot
        self.generation = self.world.cache.set("edge", snapshot)

    @rule(which=st.integers(0, 1))
    def hear(self, which):
        self.envoys[which].hear()

    @rule(which=st.integers(0, 1))
    def answer(self, which):
        self.envoys[which].answer()

    @invariant()
    def nothing_refers_to_what_is_not_there(self):
        for envoy in self.envoys:
            missing = envoy.dangling()
            assert not missing, f"requests were guided to {missing}, which {envoy.mode.value} had not delivered"

    def teardown(self):
        if self.snapshot is None:
            return
        for envoy in self.envoys:
            for _ in range(200):
                progress = envoy.hear()
                progress = envoy.answer() or progress
                missing = envoy.dangling()
                assert not missing, f"requests were guided to {missing}"
                if not progress:
                    break
            for type_ in (CDS, LDS, EDS, RDS):
                wanted = {n: r.body for n, r in self.snapshot.sets[type_].resources.items()}
                assert envoy.has[type_] == wanted, f"{envoy.mode.value} did not end with the snapshot's {type_.label}"
        [node] = self.world.roster.nodes("edge", 0.0)
        assert node.confirmed_generation == self.generation, "all was taken and it does not count as confirmed"


TestOrder = Order.TestCase
TestOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
