# Configuration, and which artefacts are given and which must be made.
#
# An artefact whose provenance matches today's configuration and code is *valid*: its rule's wildcard
# constraint leaves it out, so it is a leaf of the DAG and neither file times nor missing metadata nor
# `--forceall` can make it again. Any other gets a fresh spec, its rule's input. See cgc.provenance.
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
    # Valid, with other bytes than what is published was made from, as after `dvc pull --force`.
    CHANGED = {
        str(source)
        for record in published_records()
        for source in changed_sources(record)
    }
except UserError as error:
    raise WorkflowError(str(error))

# `cgc` is found where this environment was not activated too, as with `.venv/bin/snakemake`.
os.environ["PATH"] += os.pathsep + os.path.dirname(sys.executable)

# Trainings, whose stderr is a log file, write a line now and then where a person watches.
if sys.stderr.isatty():
    os.environ["CGC_TERMINAL"] = "1"

DATA = str(paths.data_dir(CONFIG.results_name, "{dataset}"))
METRICS = str(paths.metrics_dir(CONFIG.results_name, "{run}"))
EVALUATION = str(paths.evaluation_dir(CONFIG.results_name, "{run}"))
CHECKPOINT = str(paths.checkpoint_dir(CONFIG.results_name, "{run}"))
GATES = str(paths.gates_dir(CONFIG.results_name, "{run}"))
# What a job takes of the `gpu` resource, which the profile bounds; training may take more.
GPUS = 0 if CONFIG.execution.accelerator == "cpu" else 1
LOGS = f"logs/{CONFIG.results_name}"
# What figures and tables are made from, a file that has another name when any of it changes: the
# preset, the artefacts' recipes, and the code of the report.
PUBLICATION = str(provenance.write_publication(CONFIG))

# Jobs that run on other machines parse this file too, when their spec is already written.
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
    """An artefact as an input: while it is valid and not `changed`, whatever its files' times."""
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
    """The trained network that a run starts from; nothing for most."""
    initial = CONFIG.initial_run(provenance.parse_run(run, CONFIG))
    return files_of("train_model", str(initial)) if initial else []


def gpus_of(run):
    """GPUs that a run trains on."""
    train = CONFIG.train_settings(provenance.parse_run(run, CONFIG))
    return GPUS * train.num_processes(CONFIG.execution.devices)


def minutes_of(run):
    """Time limit of a training where a scheduler sets one: twice its estimate, or a day."""
    setting, variant, _ = run.split("/")
    hours = CONFIG.execution.run_hours.get(setting, {}).get(
        CONFIG.variants[variant].conv, 12
    )
    return max(10, round(120 * hours))
