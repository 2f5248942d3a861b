"""Run every step once, on a few images, and note which of our files each imports.

Each step runs in a process forked from this one, which has imported none of our code. The script
runs in a folder with a configuration, and writes `imported.json`: file names by artefact.
"""

import gc
import json
import os
import sys
from importlib import import_module
from pathlib import Path

PACKAGES = (
    "lightning.fabric",
    "pandas",
    "pyarrow",
    "rich.progress",
    "scipy.stats",
    "sklearn.datasets",
    "torchvision.transforms.v2",
)

IMAGES, PLAIN, CLIPS = (
    "imagenet_default/cgc/seed0",
    "imagenet_default/plain/seed0",
    "p3d_a_video/cgc/seed0",
)
STEPS = (
    ("prepare_data", "digits"),
    ("prepare_data", "moving_digits"),
    ("train_model", IMAGES),
    ("train_model", PLAIN),
    ("train_model", CLIPS),
    ("evaluate_model", IMAGES),
    ("evaluate_model", CLIPS),
    ("record_gates", IMAGES),
    ("measure_gates", IMAGES),
    ("measure_all_gates", IMAGES),
    ("measure_controls", IMAGES),
)
OVERRIDES = {"max_images": 100, "max_epochs": 1, "gates": {"run": IMAGES, "repeats": 2}}
IMPORTED = Path("imported.json")


def run(stage: str, key: str) -> list[str]:
    """Run a step as `cgc` does; return which of our files it imported."""
    from cgc import provenance
    from cgc.config import load_config
    from cgc.provenance import job

    spec = provenance.write_spec(load_config(overrides=OVERRIDES), stage, key, ["a test"])
    before = files_of_ours()  # provenance and its imports
    started = job.start(spec, stage)
    getattr(import_module(provenance.STAGES[stage]), f"run_{stage}")(started)
    return sorted(files_of_ours() - before)


def files_of_ours() -> set[str]:
    names = [name for name in sys.modules if name.split(".")[0] == "cgc"]
    return {str(sys.modules[name].__file__) for name in names}


def main() -> None:
    imported: dict[str, list[str]] = {}
    for name in PACKAGES:
        import_module(name)
    assert not files_of_ours()
    gc.freeze()  # children share the memory of the imported modules
    for stage, key in STEPS:
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert status == 0, f"{stage} {key} failed"
            imported |= json.loads(IMPORTED.read_text())
        else:
            IMPORTED.write_text(json.dumps({f"{stage}:{key}": run(stage, key)}))
            os._exit(0)  # skips the slow clean-up
    IMPORTED.write_text(json.dumps(imported))


if __name__ == "__main__":
    main()
