"""Public names of a package that are loaded on first use, so that importing it stays light (as PEP 562).

A function may have the name of the module that holds it (tinyllm.gradcheck, tinyllm.ops.softmax).  Python
puts a submodule into its package whenever anyone imports it, which would hide the function; so the package
puts the function there, and `from tinyllm.ops import softmax` means the same whatever was imported before.
"""
import importlib
import sys
import types


def load_on_first_use(package, names, submodules=()):
    """Give a package, by its __name__, names -> the modules that hold them, and submodules."""
    names = {**names, **{name: f"{package}.{name}" for name in submodules}}

    class LazyPackage(types.ModuleType):
        def __getattr__(self, name):
            if name not in names:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            module = importlib.import_module(names[name])
            value = module if name in submodules else getattr(module, name)
            setattr(self, name, value)
            return value

        def __setattr__(self, name, value):
            if name in names and name not in submodules and isinstance(value, types.ModuleType):
                value = getattr(value, name)
            super().__setattr__(name, value)

        def __dir__(self):
            return sorted({*super().__dir__(), *names})

    sys.modules[package].__class__ = LazyPackage
