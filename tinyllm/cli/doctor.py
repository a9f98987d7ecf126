"""tinyllm doctor: versions, processor, threads, kernel cache, what is missing for which extra."""
import importlib.metadata
import importlib.util
import os
import platform

from tinyllm.cli.arguments import add_json, print_json

PACKAGES = ["numpy", "numba", "safetensors", "rich", "threadpoolctl", "regex"]
EXTRAS = {"plot": ["matplotlib"], "test": ["pytest", "hypothesis", "flake8"],
          "oracle": ["torch", "tokenizers", "sacrebleu", "seqeval"]}


def add_arguments(parser):
    add_json(parser)


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def report():
    """All of it as a dict of JSON values."""
    import llvmlite.binding
    import numba

    import tinyllm
    from tinyllm.kernels import jit, threads, tile
    folder = jit.cache_folder()
    return {
        "tinyllm": tinyllm.__version__, "python": platform.python_version(), "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": llvmlite.binding.get_host_cpu_name(), "vectors": tile.VECTORS,
        "cores": os.cpu_count(), "threads": threads.count(), "threading_layers": numba.config.THREADING_LAYER_PRIORITY,
        "kernels": "compiled" if jit.compiling() else "plain Python (NUMBA_DISABLE_JIT)",
        "kernel_cache": str(folder) if folder else None,
        "cached_kernels": sum(1 for _ in folder.rglob("*.nbc")) if folder else 0,
        "missing": {extra: gone for extra, names in EXTRAS.items()
                    if (gone := [name for name in names if importlib.util.find_spec(name) is None])},
    }


def run(args):
    facts = report()
    if args.json:
        print_json(facts)
        return 0
    for name, value in facts.items():
        if name == "missing":
            for extra, gone in value.items():
                print(f"{'missing':<18} {', '.join(gone)}: pip install 'tinyllm[{extra}]'")
        elif isinstance(value, dict):
            print(f"{name:<18} " + ", ".join(f"{k} {v}" for k, v in value.items()))
        elif isinstance(value, list):
            print(f"{name:<18} " + ", ".join(value))
        else:
            print(f"{name:<18} {value}")
    return 0
