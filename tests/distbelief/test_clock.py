"""Virtual time: events in order, machines and lines one thing after another, failures, and chance by seed and name."""

import pytest

from refflow.distbelief import Clock, Links, Machine, ScheduleError, straggling, uneven


def test_events_happen_in_order_of_time_and_equal_ones_as_entered():
    clock, seen = Clock(), []
    for time, name in [(2.0, "c"), (1.0, "a"), (1.0, "b")]:
        clock.at(time, lambda name=name: seen.append((clock.now, name)))
    clock.at(1.5, lambda: seen.append("taken back")).cancel()
    clock.after(0.5, lambda: clock.after(3.0, lambda: seen.append((clock.now, "d"))))
    assert clock.run(until=2.5) == 2.5
    assert seen == [(1.0, "a"), (1.0, "b"), (2.0, "c")]
    assert clock.run() == 3.5 and seen[-1] == (3.5, "d")
    assert not clock.step()


def test_there_is_no_way_back():
    clock = Clock()
    clock.run(until=2.0)
    with pytest.raises(ScheduleError, match="at 1.0 s, but it is 2.0 s already"):
        clock.at(1.0, clock.step)


def test_a_machine_does_one_job_after_the_other():
    clock, done = Clock(), []
    machine = Machine(clock, "m", speed=10.0, cores=2)
    machine.compute(40, lambda: done.append(clock.now), start=lambda: done.append("begun"))
    machine.compute(20, lambda: done.append(clock.now))
    clock.run()
    assert done == ["begun", 2.0, 3.0]
    assert machine.busy == 3.0


def test_an_idle_machine_without_limits_is_done_at_once():
    done = []
    Machine(Clock(), "m").compute(1e9, lambda: done.append("then"))
    assert done == ["then"]


def test_a_job_that_is_cancelled_makes_room():
    clock, done = Clock(), []
    machine = Machine(clock, "m", speed=1.0)
    first = machine.compute(10, lambda: done.append("first"))
    second = machine.compute(10, lambda: done.append("second"))
    machine.compute(1, lambda: done.append(clock.now))
    clock.at(2.0, first.cancel)
    second.cancel()
    clock.run()
    assert done == [3.0]


def test_many_jobs_that_take_no_time_wait_behind_one_that_does():
    clock, done = Clock(), []
    machine = Machine(clock, "m", speed=1.0)
    for work in [1] + [0] * 3000:
        machine.compute(work, lambda: done.append(clock.now))
    clock.run()
    assert done == [1.0] * 3001


def test_a_line_is_shared_by_messages_in_turn():
    """Two senders, one receiver: 100 bytes at 100 bytes/s take its line for a second each, after a latency of 0.5 s."""
    clock, there = Clock(), []
    a, b, c = (Machine(clock, name) for name in "abc")
    links = Links(clock, latency=0.5, bandwidth=100.0)
    for sender in (a, b):
        links.send(sender, c, 100, lambda: there.append(clock.now))
    clock.run()
    assert there == [1.5, 2.5]
    assert links.bytes == {("a", "c"): 100, ("b", "c"): 100} and links.messages["a", "c"] == 1


def test_messages_cost_something_each_and_a_line_out_is_one_too():
    clock, there = Clock(), []
    a, b, c = (Machine(clock, name) for name in "abc")
    links = Links(clock, bandwidth=100.0, per_message=1.0)
    for receiver in (b, c):
        links.send(a, receiver, 100, lambda: there.append(clock.now))
    clock.run()
    assert there == [2.0, 4.0]


def test_messages_of_two_machines_overtake_one_another_and_those_of_one_do_not():
    clock, there = Clock(3), []
    a, b, c = (Machine(clock, name) for name in "abc")
    links = Links(clock, latency=1.0, slowness=uneven(1.0))
    for number in range(20):
        for sender in (a, b):
            links.send(sender, c, 0, lambda sender=sender, number=number: there.append((sender.name, number)))
    clock.run()
    assert [n for who, n in there if who == "a"] == [n for who, n in there if who == "b"] == list(range(20))
    assert [who for who, _ in there] != ["a", "b"] * 20


def test_a_message_without_delay_has_arrived_when_send_returns():
    clock, there = Clock(), []
    links = Links(clock)
    links.send(Machine(clock, "a"), Machine(clock, "b"), 10**9, lambda: there.append(clock.now))
    assert there == [0.0]


def test_to_itself_a_machine_sends_nothing():
    clock, there = Clock(), []
    a = Machine(clock, "a")
    links = Links(clock, latency=1.0)
    links.send(a, a, 100, lambda: there.append(clock.now))
    assert there == [0.0] and not links.bytes


@pytest.mark.parametrize(("who", "when", "arrives"), [
    ("a", 0.5, False), ("a", 1.5, True), ("b", 0.5, False), ("b", 1.5, False), ("b", 2.5, True),
])  # fmt: skip
def test_a_failure_loses_what_is_being_sent_and_what_comes_to_nobody(who, when, arrives):
    clock, there = Clock(), []
    machines = {name: Machine(clock, name) for name in "ab"}
    Links(clock, latency=1.0, bandwidth=100.0).send(machines["a"], machines["b"], 100, lambda: there.append(clock.now))
    clock.at(when, machines[who].fail)
    clock.run()
    assert there == ([2.0] if arrives else [])


def test_a_machine_that_fails_forgets_its_jobs_and_can_come_back():
    clock, done = Clock(), []
    machine = Machine(clock, "m", speed=1.0)
    machine.compute(2, lambda: done.append("lost"))
    clock.at(1.0, machine.fail)
    clock.at(1.5, lambda: machine.compute(1, lambda: done.append("nobody there")))
    clock.at(2.0, machine.recover)
    clock.at(3.0, lambda: machine.compute(1, lambda: done.append(clock.now)))
    clock.run()
    assert done == [4.0]
    assert [(e.time, e.kind) for e in clock.log] == [(1.0, "fail"), (2.0, "recover")]


def times(seed, names, slowness):
    clock, done = Clock(seed), {name: [] for name in names}
    for name in names:
        machine = Machine(clock, name, speed=1.0, slowness=slowness)
        for _ in range(50):
            machine.compute(1, lambda name=name: done[name].append(clock.now))
    clock.run()
    return done


@pytest.mark.parametrize("slowness", [uneven(0.3), straggling(0.2, 5.0)])
def test_chance_is_of_the_seed_and_the_name_alone(slowness):
    few, many = times(1, ["a"], slowness), times(1, ["c", "a", "b"], slowness)
    assert few["a"] == many["a"] != many["b"]
    assert times(2, ["a"], slowness) != few


def test_stragglers_are_as_many_as_said():
    done = times(1, ["a"], straggling(0.2, 5.0))["a"]
    slow = sum(b - a > 2 for a, b in zip([0.0, *done[:-1]], done, strict=True))
    assert 3 <= slow <= 20
    assert done[-1] == 50 + 4 * slow


@pytest.mark.parametrize("bad", [{"speed": 0}, {"speed": -1}, {"cores": 0}])
def test_a_machine_works(bad):
    with pytest.raises(ScheduleError, match="Machine 'm'"):
        Machine(Clock(), "m", **bad)


@pytest.mark.parametrize("bad", [{"latency": -1}, {"bandwidth": 0}, {"per_message": float("nan")}])
def test_links_carry(bad):
    with pytest.raises(ScheduleError, match="Links"):
        Links(Clock(), **bad)
