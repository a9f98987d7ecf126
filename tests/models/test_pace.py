import pytest

from tinyllm.models import pace


class Machine:
    """A clock, and tokens that take costs(now) = (seconds without threads, seconds with them)."""

    def __init__(self, costs, monkeypatch):
        self.costs, self.now, self.ideal, self.done = costs, 0.0, 0.0, []
        monkeypatch.setattr(pace.time, "perf_counter", lambda: self.now)

    def write(self, forks, t0, t1):
        for t in range(t0, t1):
            self.ideal += min(self.costs(self.now))
            self.done.append((t, forks, self.now))
            self.now += self.costs(self.now)[forks]

    def run(self, calls=1000):
        """All that was written: (forks, now) of each token."""
        measured, tokens = pace.Pace(), []
        for n in (1, 2, 4, 8, 16, *[32] * calls):
            measured.run(n, self.write)
            assert [t for t, _, _ in self.done] == list(range(n))
            tokens += [(forks, now) for _, forks, now in self.done]
            self.done.clear()
        return tokens


@pytest.mark.parametrize("costs", [
    lambda now: (2e-4, 1e-4),  # idle: threads are worth it
    lambda now: (1e-4, 2e-4),  # a small model: one is quicker
    lambda now: (2e-4, 3e-2),  # busy: a fork waits for a core
    lambda now: (2e-4, 3e-2 if 0.5 < now < 3 else 1e-4)])  # busy for a while
def test_the_pace_is_that_of_the_quicker_way(costs, monkeypatch):
    machine = Machine(costs, monkeypatch)
    machine.run()
    assert machine.ideal < machine.now < 1.1 * machine.ideal + 1


def test_one_thread_is_tried_rarely(monkeypatch):
    tokens = Machine(lambda now: (2e-4, 1e-4), monkeypatch).run()
    assert 2 <= sum(not forks for forks, _ in tokens) <= 2 + len(tokens) / 200


def test_threads_are_tried_soon_after_they_had_to_wait(monkeypatch):
    """And then less and less often, for as long as they wait."""
    tokens = Machine(lambda now: (2e-4, 3e-2 if 0.5 < now < 1.2 else 1e-4), monkeypatch).run()
    waited = [now for forks, now in tokens if forks and 0.5 < now < 1.2]
    assert 3 <= len(waited) <= 2 * pace.Pace.LONGEST
    assert sum(not forks for forks, now in tokens if now > 2.6) < len(tokens) / 150


@pytest.mark.parametrize("seconds", [(30, 30), (2e-4, 30), (30, 1e-4)])
@pytest.mark.parametrize("token", [0, 1, 2, 3, 40])
def test_once_that_the_machine_stood_still(token, seconds, monkeypatch):
    """Compiling at the first token, or a stall at another, decides nothing for long."""
    stalls, machine = iter([True]), Machine(lambda now: (2e-4, 1e-4), monkeypatch)
    write, written = machine.write, 0

    def stalling(forks, t0, t1):
        nonlocal written
        if written <= token < written + t1 - t0 and next(stalls, False):
            machine.now += seconds[forks]
        written += t1 - t0
        write(forks, t0, t1)

    machine.write = stalling
    tokens = machine.run()
    assert sum(not forks for forks, _ in tokens[len(tokens) // 2:]) < len(tokens) / 150
