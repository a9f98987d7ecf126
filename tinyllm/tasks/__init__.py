"""Tasks: reader + model + loss + metric, nothing more.  A run folder's config.json names its task."""
import importlib

MODULES = {name: f"tinyllm.tasks.{name}" for name in ("lm", "classify", "tag", "seq2seq")}


def load(path):
    """The trained model in a run folder, with its tokenizer: .generate, .predict and .evaluate as its task has them.

    Raises RunFolderError for a folder that is not a run or whose files are damaged.
    """
    from tinyllm.training.run_folder import RunFolder, RunFolderError
    run = RunFolder.open(path)
    task = run.config["task"]
    if task not in MODULES:
        raise RunFolderError(f"{path}: its task is {task!r}, this version knows {', '.join(MODULES)}")
    return importlib.import_module(MODULES[task]).load(run)
