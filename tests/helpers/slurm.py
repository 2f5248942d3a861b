"""A SLURM cluster of one node, this machine, from Debian's slurmctld, slurmd and munge."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1
ReturnToService=2
KillWait=60
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500
"""


def missing_programs() -> list[str]:
    """Return the SLURM programs that this machine lacks."""
    return [name for name in (*DAEMONS, *COMMANDS) if shutil.which(name) is None]


class Cluster:
    """A running cluster.

    Attributes:
        programs: a folder with SLURM's commands for this cluster, to put first on PATH. They set
            SLURM_CONF themselves, because Snakemake clears SLURM's variables within a job.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in COMMANDS:
            program = self.programs / name
            program.write_text(
                f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(name)} "$@"\n'
            )
            program.chmod(0o755)

    def command(self, name: str, *arguments: str) -> str:
        """Run a SLURM command; return its output."""
        done = subprocess.run(
            [self.programs / name, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Return the state of each pending or running job, by its number."""
        lines = self.command("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster that keeps everything in a folder; stop it and its jobs on exit."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    ports = free_ports(2)
    configuration = CONFIGURATION.format(
        host=socket.gethostname(),
        user=getpass.getuser(),
        folder=folder,
        controller_port=ports[0],
        node_port=ports[1],
    )
    (folder / "slurm.conf").write_text(configuration)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "seed", "log")]
    running = Cluster(folder)
    daemons = []
    try:
        for program, arguments in (
            ("munged", ["--foreground", "--force", f"--socket={folder}/munge.socket", *munge]),
            ("slurmctld", ["-D"]),
            ("slurmd", ["-D"]),
        ):
            with (folder / f"{program}.out").open("w") as log:
                daemons.append(
                    subprocess.Popen(
                        [program, *arguments],
                        env=os.environ | {"SLURM_CONF": str(folder / "slurm.conf")},
                        stdout=log,
                        stderr=log,
                    )
                )
            if program == "munged":
                wait_until(lambda: (folder / "munge.socket").exists(), seconds=20)
        wait_until(lambda: "idle" in running.command("sinfo", "--noheader"), seconds=60)
        yield running
        running.command("scancel", f"--user={getpass.getuser()}", "--full")
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def free_ports(number: int) -> list[int]:
    """Return ports that no program listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition holds; a failing program or a missing file counts as no."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (subprocess.CalledProcessError, FileNotFoundError):
            pass
        assert time.monotonic() < end, f"waited for {seconds} s"
        time.sleep(0.2)
