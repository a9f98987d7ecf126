"""When two run folders hold the same run: bit for bit, but for the times."""
from tinyllm.training.run_folder import RunFolder

TIMES = ("seconds", "metrics_length", "metrics_sha256")  # of the log, which has the seconds


def assert_same_run(a, b):
    """The same last and best weights, moments, random states, counters and log lines in the folders a and b."""
    (arrays, meta, log, model), (arrays_b, meta_b, log_b, model_b) = content(a), content(b)
    assert_same_arrays(arrays, arrays_b)
    assert_same_arrays(model, model_b)
    assert meta == meta_b and log == log_b


def content(path):
    """Arrays, meta and log without times, best weights."""
    run = RunFolder.open(path)
    arrays, meta = run.load_trainer()
    log = run.read_log()
    return arrays, *([without_times(record) for record in records] for records in ([meta], log)), run.load_model()


def without_times(record):
    return {name: value for name, value in record.items() if name not in TIMES}


def assert_same_arrays(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes(), name
