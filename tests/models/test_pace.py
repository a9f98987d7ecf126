import pytest

from tinyllm.models import pace


@pytest.mark.parametrize("costs", [
    lambda now: (2e-4, 1e-4),  # idle: threads are worth it
    lambda now: (2e-4, 3e-2),  # busy: a fork waits for a core
    lambda now: (2e-4, 3e-2 if 0.5 < now < 3 else 1e-4)])  # busy for a while
def test_the_pace_is_that_of_the_quicker_way(costs, monkeypatch):
    now, done, ideal = 0.0, [], 0.0

    def write(forks, t0, t1):
        nonlocal now, ideal
        for t in range(t0, t1):
            ideal += min(costs(now))
            now += costs(now)[forks]
            done.append(t)

    monkeypatch.setattr(pace.time, "perf_counter", lambda: now)
    measured = pace.Pace()
    for n in (1, 2, 4, 8, 16, *[32] * 1000):
        measured.run(n, write)
        assert done == list(range(n))
        done.clear()
    assert ideal < now < 1.1 * ideal + 1
