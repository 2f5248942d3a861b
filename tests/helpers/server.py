"""Snakemake, DVC and `cgc` without the seconds of importing them.

A server imports third-party code once per session, and nothing of this project. Programs of the
same names, first on PATH, hand it their arguments, environment and output. It forks, and the child
runs the command with the code of the calling checkout. So DVC's calls of Snakemake are served too,
and Snakemake's of `cgc`.
"""

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

PROGRAMS = {"snakemake": "snakemake.cli", "dvc": "dvc.cli", "cgc": "cgc.__main__"}
IMPORTED = (  # by these programs
    "snakemake.cli",
    "dvc.cli",
    "dvc.cli.parser",
    "dvc.repo",
    "lightning.fabric",
    "pydantic",
    "rich.table",
    "ruamel.yaml",
    "scmrepo.git",
    "seaborn",
    "smart_open",
    "torchvision.transforms.v2",
    "typer",
)
READY = b"ready"

CLIENT = f"""\
#!{sys.executable} -IS
import json, os, socket, sys
program = sys.argv[0]
request = json.dumps([program, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["SERVER"])
    socket.send_fds(connection, [b" "], [1, 2])
    connection.sendall(request)
    connection.shutdown(socket.SHUT_WR)
    sys.exit(int(connection.recv(16) or b"1"))
"""


@cache
def start() -> Path:
    """Start the server once; return the folder with its `socket` and its programs, `bin`."""
    folder = Path(tempfile.mkdtemp(prefix="served"))
    for name in PROGRAMS:
        write_client(folder / "bin" / name)
    command = [sys.executable, __file__, str(folder / "socket")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(shutil.rmtree, folder)
    atexit.register(process.communicate)  # runs first: closes stdin, which ends the server
    assert process.stdout is not None
    assert process.stdout.read(len(READY)) == READY
    return folder


def write_client(path: Path, code: str = "") -> None:
    """Write a program that lets the server run it.

    Args:
        path: where the program goes.
        code: a Python script to run; if empty, the file's name selects the command.
    """
    path.parent.mkdir(exist_ok=True)
    path.write_text(CLIENT)
    path.chmod(0o755)
    if code:
        path.with_suffix(".py").write_text(code)


def serve(path: str) -> None:
    """Answer requests until stdin is closed."""
    gc.disable()
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # children share these objects' memory
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the answering processes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.write(1, READY)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> NoReturn:
    """Run one command in a child and send its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    streams = socket.recv_fds(connection, 1, 2)[1]
    with connection.makefile("rb") as file:
        program, arguments, folder, environment = json.load(file)
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.send(str(status).encode())
        os._exit(0)
    for number, stream in enumerate([os.open(os.devnull, os.O_RDONLY), *streams]):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:1] = [environment["PYTHONPATH"]]
    sys.argv = [program, *arguments]
    status = run(Path(program))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # skips the slow clean-up


def run(program: Path) -> int:
    """Run a program; return its exit status."""
    script = program.with_suffix(".py")
    try:
        if script.exists():
            runpy.run_path(str(script), run_name="__main__")
            return 0
        return import_module(PROGRAMS[program.name]).main() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    serve(sys.argv[1])
