"""Runs a snapshot of a Python file as if Python had been given the file itself.

    runner.py SNAPSHOT PATH run|inspect [ARGUMENT...]

The snapshot is compiled under PATH, where the file stands, and runs in a __main__ of its own. Tracebacks,
pdb and inspect show the snapshot's lines, also where the file has changed since. What an exception that
is not caught does, and the status the program ends with, are Python's own; with inspect the
interpreter goes on to its prompt afterwards (python -i).
"""

import sys


class _Lines:
    """Gives linecache the snapshot's lines once it is imported, by whomever: importing it ourselves would
    cost each run milliseconds. A finder that lets the next one find, and a loader that lets its load."""

    def __init__(self, path, source):
        self.path, self.source = path, source

    def find_spec(self, name, path=None, target=None):
        if name != "linecache":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self.loader, spec.loader = spec.loader, self
                return spec
        return None

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.fill(module)

    def fill(self, linecache):
        import io
        import tokenize

        try:
            encoding = tokenize.detect_encoding(io.BytesIO(self.source).readline)[0]
        except SyntaxError:
            encoding = "utf-8"
        text = io.TextIOWrapper(io.BytesIO(self.source), encoding, errors="replace").read()
        lines = text.splitlines(True)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        # Without a time of change linecache never looks at the file again.
        linecache.cache[self.path] = (len(self.source), None, lines, self.path)


def _report(value, trace):
    """What Python does with an exception that nobody caught."""
    sys.last_type, sys.last_value, sys.last_traceback = type(value), value, trace
    value.__traceback__ = trace
    hook = getattr(sys, "excepthook", None)
    if hook is not None and hook is not sys.__excepthook__:
        try:
            hook(type(value), value, trace)
            return
        except BaseException as broken:  # as Python does
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(broken), broken, broken.__traceback__)
            print("\nOriginal exception was:", file=sys.stderr)
    import traceback

    # Python's own printer in C reads the file, which may have changed.
    traceback.print_exception(type(value), value, trace)


def _end_by_interrupt():
    """Python ends by the signal itself, so that a shell knows that it was interrupted."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def _run():
    snapshot, path, mode = sys.argv[1:4]
    with open(snapshot, "rb") as f:
        source = f.read()
    sys.meta_path.insert(0, _Lines(path, source))
    sys.argv[:] = [path] + sys.argv[4:]
    sys.path[0] = path.rpartition("/")[0] or "/"

    main = type(sys)("__main__")
    main.__file__ = path
    main.__cached__ = None
    main.__annotations__ = {}
    main.__builtins__ = sys.modules["builtins"]
    interrupted = []
    if mode == "run":
        # The first to be registered is the last to run.
        import atexit

        def last():
            if interrupted:
                try:
                    sys.stdout.flush()
                    sys.stderr.flush()
                except Exception:
                    pass
                _end_by_interrupt()

        atexit.register(last)
    sys.modules["__main__"] = main
    trace = None
    try:
        code = compile(source, path, "exec", dont_inherit=True)
        trace = True
        exec(code, main.__dict__)
    except SystemExit:
        if mode == "run":
            raise
        raised = sys.exc_info()[1]
    except BaseException as e:
        raised = e
    else:
        return
    # Our own frame is the first of the traceback; of a file that does not compile it is the only one.
    trace = raised.__traceback__.tb_next if trace else None
    _report(raised, trace)
    if mode == "run":
        if isinstance(raised, KeyboardInterrupt):
            interrupted.append(True)
        raise SystemExit(1)


_run()
