"""Run a notebook from first cell to last, and turn it into a page that opens offline.

The kernel is this very interpreter, whatever kernels are registered and whatever PATH holds,
without the user's IPython configuration.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import jupytext
import matplotlib
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from cgc.errors import UserError

TEMPLATE = Path(__file__).with_name("notebook.html.j2")
PARAMETERS = "parameters"  # tag of the cell whose values may be overridden
CELL_SECONDS = 600
MOST_LETTERS = 60  # of the sockets' folder: some systems limit socket paths to 104 bytes


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


def run_notebook(path: Path, **parameters: str) -> NotebookNode:
    """Run a notebook in the working directory.

    Args:
        path: jupytext file.
        parameters: values for variables of the cell with the tag `parameters`.

    Returns:
        The notebook with its outputs.

    Raises:
        UserError: a cell fails or does not end, or the kernel dies.
    """
    notebook = jupytext.read(path)
    notebook.metadata["path"] = str(path)
    _set_parameters(notebook, parameters)
    with _kernel_manager() as (manager, environment):
        client = NotebookClient(notebook, km=manager, timeout=CELL_SECONDS)
        try:
            return client.execute(cwd=os.getcwd(), env=environment)
        except CellExecutionError as error:
            raise UserError(f"{path} failed: {_reason(error)}") from error
        except (CellTimeoutError, RuntimeError) as error:  # a dead kernel is the latter
            reason = str(error).partition("\n")[0].rstrip(".")
            raise UserError(f"{path} failed: {reason}; open it in Jupyter and run it") from error


def notebook_page(notebook: NotebookNode, title: str) -> str:
    """Return a notebook that was run as one self-contained HTML page."""
    exporter = HTMLExporter(template_file=str(TEMPLATE))
    notebook.metadata["title"] = title
    page, _ = exporter.from_notebook_node(notebook)
    return page


def _reason(error: CellExecutionError) -> str:
    message = " ".join(error.evalue.split())
    if error.ename == UserError.__name__:
        return message
    return f"{error.ename}: {message}; open it in Jupyter to see in which cell"


def _set_parameters(notebook: NotebookNode, parameters: dict[str, str]) -> None:
    (cell,) = [c for c in notebook.cells if PARAMETERS in c.metadata.get("tags", [])]
    values = [f"{name} = {value!r}" for name, value in parameters.items()]
    cell.source = "\n".join([cell.source, *values])


def _folder_of_sockets() -> str:
    """Return the temporary folder, or a shorter one if socket paths would not fit."""
    usual = gettempdir()
    return usual if len(os.fsencode(usual)) <= MOST_LETTERS else "/tmp"


@contextmanager
def _kernel_manager() -> Iterator[tuple[AsyncKernelManager, dict[str, str]]]:
    """Yield a manager of kernels that talk through files, not ports, and their environment.

    It is asynchronous: the blocking client waits forever for a dead kernel.
    """
    with TemporaryDirectory(prefix="cgc", dir=_folder_of_sockets()) as folder:
        options: dict[str, Any] = {"connection_file": f"{folder}/kernel.json", "transport": "ipc"}
        manager = AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=_ThisInterpreter(), **options
        )
        try:
            # matplotlib's own settings, not those of the user
            style = {"MATPLOTLIBRC": matplotlib.get_data_path()}
            yield manager, os.environ | {"IPYTHONDIR": folder} | style
        finally:
            if manager.has_kernel:
                run_sync(manager.shutdown_kernel)(now=True)
