"""What every expensive artefact was made from, and whether it would be made the same way today.

A *recipe* is the part of the configuration that an artefact depends on, the source files that make
it, and the fingerprints of upstream recipes; its *fingerprint* is the hash of all that. Next to an
artefact is a provenance file with the recipe it was made by and the hashes of its files and inputs.
An artefact whose recorded fingerprint is today's is *valid*, wherever its bytes come from (made
here, pulled, copied) and whatever their modification time; the workflow treats it as given. Any
other is *stale* or *missing*, and gets a *spec*: the recipe as a file that the job reads.
"""

from cgc.provenance.artefacts import (
    STAGES,
    TARGETS,
    Artefact,
    artefact_of,
    artefacts,
    parse_run,
)
from cgc.provenance.recipes import (
    fingerprint,
    read_publication,
    recipe,
    spec_path,
    write_publication,
    write_spec,
)
from cgc.provenance.records import file_hash, read_provenance
from cgc.provenance.validity import notes, other_inputs, stale, why_stale

__all__ = [
    "STAGES",
    "TARGETS",
    "Artefact",
    "artefact_of",
    "artefacts",
    "file_hash",
    "fingerprint",
    "notes",
    "other_inputs",
    "parse_run",
    "read_provenance",
    "read_publication",
    "recipe",
    "spec_path",
    "stale",
    "why_stale",
    "write_publication",
    "write_spec",
]
