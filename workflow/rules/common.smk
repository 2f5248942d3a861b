# Configuration, and which artefacts are given and which must be made.
#
# An artefact whose provenance matches today's configuration and code is *valid*: its rule's
# wildcard constraint leaves it out, so it is a leaf of the DAG and neither file times nor missing
# metadata nor `--forceall` can remake it. Any other gets a fresh spec as its rule's input. See
# cgc.provenance.
import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from cgc import paths, provenance
from cgc.config import check_config
from cgc.errors import UserError
from cgc.provenance.publication import changed_sources, published_records
from cgc.report.figures import FIGURES, figures_of, notebooks_of
from cgc.report.tables import TABLES, tables_of

min_version("9.27")


configfile: "config/config.yaml"


try:
    CONFIG = check_config(config)
    STALE = provenance.stale(CONFIG)
    # Valid, but with other bytes than those behind what is published, as after `dvc pull --force`.
    CHANGED = {
        str(source)
        for record in published_records()
        for source in changed_sources(record)
    }
except UserError as error:
    raise WorkflowError(str(error))

# A clone made without symbolic links has a file in place of the link to the profiles.
if workflow.is_main_process and os.path.isfile("profiles"):
    print(
        "`profiles` is no link, so Snakemake runs without this project's settings: "
        "add --workflow-profile workflow/profiles/default",
        file=sys.stderr,
    )

# Find `cgc` even if this environment is not activated, as with `.venv/bin/snakemake`.
os.environ["PATH"] += os.pathsep + os.path.dirname(sys.executable)

# Trainings log their stderr to a file; if a person watches, they also print a line now and then.
if sys.stderr.isatty():
    os.environ["CGC_TERMINAL"] = "1"

DATA = str(paths.data_dir(CONFIG.results_name, "{dataset}"))
METRICS = str(paths.metrics_dir(CONFIG.results_name, "{run}"))
EVALUATION = str(paths.evaluation_dir(CONFIG.results_name, "{run}"))
CHECKPOINT = str(paths.checkpoint_dir(CONFIG.results_name, "{run}"))
GATES = str(paths.gates_dir(CONFIG.results_name, "{run}"))
# A job's share of the `gpu` resource, which the profile limits; training may take more.
GPUS = 0 if CONFIG.execution.accelerator == "cpu" else 1
# A scheduler's cores per GPU: for the processes that load data, and the one that computes.
CPUS_PER_GPU = max(CONFIG.execution.threads, CONFIG.execution.workers + 1)
LOGS = f"logs/{CONFIG.results_name}"
# What figures and tables are made from: the preset, the artefacts' recipes and the report's code.
# The file's name changes when any of them does.
PUBLICATION = str(provenance.write_publication(CONFIG))

# Jobs on other machines parse this file too, but their spec is already written.
if workflow.is_main_process:
    for name, reasons in STALE.items():
        provenance.write_spec(CONFIG, *name.split(":", 1), because=reasons)


def spec_of(stage):
    """The spec of an artefact that is to be made, as an input function of the stage's rule."""
    return lambda wildcards: str(provenance.spec_path(CONFIG, stage, *wildcards))


def to_be_made(stage):
    """Regular expression of the keys that the stage's rule may make; matches nothing if none."""
    keys = [name.split(":", 1)[1] for name in STALE if name.startswith(f"{stage}:")]
    return "|".join(map(re.escape, keys)) or "(?!)"


def files_of(stage, key, changed=()):
    """An artefact as an input; file times count only if it is not valid or is `changed`."""
    artefact = provenance.artefact_of(stage, key, CONFIG.results_name)
    files = [str(path) for path in artefact.paths()]
    times_count = str(artefact) in {*STALE, *changed}
    return files if times_count else [ancient(file) for file in files]


def data_of(run):
    """The prepared data set of a run."""
    return files_of("prepare_data", CONFIG.settings[run.split("/")[0]].dataset)


def models_of_controls():
    """The analysed network and the plain one that it is compared with, where the preset has it."""
    runs = [CONFIG.gates.run, *filter(None, [CONFIG.plain_run()])]
    return [file for run in runs for file in files_of("train_model", str(run))]


def sources_of(published):
    """The artefacts whose numbers a table or figure shows."""
    sources = published.sources(CONFIG)
    return [
        file for each in sources for file in files_of(each.stage, each.key, CHANGED)
    ]


def initial_model_of(run):
    """The trained network that a run starts from, if any."""
    initial = CONFIG.initial_run(provenance.parse_run(run, CONFIG))
    return files_of("train_model", str(initial)) if initial else []


def processes_of(run):
    """Processes that a run trains with, one per device."""
    train = CONFIG.train_settings(provenance.parse_run(run, CONFIG))
    return train.num_processes(CONFIG.execution.devices)


def minutes_of(run):
    """Time limit of a training under a scheduler: twice its estimate, or a day without one."""
    setting, variant, _ = run.split("/")
    device_hours = CONFIG.execution.run_hours.get(setting, {}).get(
        CONFIG.variants[variant].conv
    )
    if device_hours is None:
        return 24 * 60
    return max(10, round(2 * 60 * device_hours / processes_of(run)))
