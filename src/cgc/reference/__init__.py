"""Reference results: what an author's run of a preset gave, kept in git, and compared with yours.

`results/reference/<preset>/` mirrors the folder of a preset: small results of runs with their
provenance, tables, figures, and `reference.json` with settings, commit and the hash of every file.
It is the record of a commit: nothing makes it stale, and no rule makes it.
"""

from cgc.reference.kept import Reference, read_reference, references

__all__ = ["Reference", "read_reference", "references"]
