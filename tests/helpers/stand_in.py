"""A `cgc` with instant steps: they write a few bytes where the real ones compute.

It notes every call in calls.txt. Everything that decides what runs is real: specs, inputs and
provenance go through `cgc.provenance.job`, and commands other than steps are those of `cgc` itself.
The same recipe makes the same bytes, except in the files that record a training.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

CALLS = Path("calls.txt")
GO_ON = Path("go_on")  # steps wait for it when STAND_IN_WAITS is set
PUBLISHED = Path("published.json")  # the files of every publishing command


def main() -> None:
    from cgc import cli, provenance
    from cgc.errors import UserError

    command, *arguments = sys.argv[1:]
    call = " ".join([command, *(each for each in arguments if not each.startswith(".snakemake"))])
    published = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
    stages = {stage.replace("_", "-"): stage for stage in provenance.STAGES}
    try:
        if call in published:
            publish(call, [Path(file) for file in published[call]], Path(arguments[0]))
        elif command in stages:
            make(stages[command], Path(arguments[0]))
        else:
            cli.main()
    except UserError as error:
        sys.exit(f"cgc: {error}")


def publish(call: str, files: list[Path], publication: Path) -> None:
    """Make the files of a figure or table, as if it showed every existing artefact."""
    from cgc import provenance
    from cgc.provenance.publication import publish_record

    note(call)
    records = [file for file in files if file.name.endswith(".provenance.json")]
    outputs = [file for file in files if file not in records]
    for file in outputs:
        file.write_text(call)
    config = provenance.read_publication(publication)
    shown = [artefact for artefact in provenance.artefacts(config) if artefact.provenance.exists()]
    for record in records:
        publish_record(config, record.name.removesuffix(".provenance.json"), outputs, shown)


def note(call: str) -> None:
    with CALLS.open("a") as file:
        file.write(call + "\n")


def make(stage: str, spec: Path) -> None:
    """Make an artefact."""
    from cgc.files import atomic_write
    from cgc.provenance import job

    this = job.start(spec, stage)
    note(str(this.artefact))
    while "STAND_IN_WAITS" in os.environ and not GO_ON.exists():
        time.sleep(0.02)
    chance = random.Random(this.spec["recipe"]["fingerprint"])
    for name in this.artefact.files:
        with atomic_write(this.output(name)) as temporary:
            temporary.write_bytes(content(name, chance))
    this.finish()


def content(name: str, chance: random.Random) -> bytes:
    """Return bytes that fit a file's name, drawn from `chance`; a training's record is random."""
    match name:
        case "history.csv":
            return f"epoch,validation_top1_percent\n1,{random.random()}\n".encode()
        case "run.json":
            return json.dumps({"duration_seconds": random.random()}).encode()
        case _ if name.endswith(".json"):
            return json.dumps({"top1_percent": 100 * chance.random()}).encode()
    return chance.randbytes(1000)


if __name__ == "__main__":
    main()
