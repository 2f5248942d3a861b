"""Reference results: an author's results of a preset, kept in git, and compared with yours.

`results/reference/<preset>/` mirrors the folder of a preset: small results of runs with their
provenance, tables, figures, and `reference.json` with settings, commit and the hash of every file.
It is the record of a commit: nothing makes it stale, and no rule makes it.
"""

from cgc.reference.kept import Reference, read_reference, references

__all__ = ["Reference", "read_reference", "references"]
