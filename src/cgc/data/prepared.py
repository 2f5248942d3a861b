"""A prepared set: a folder with these files.

train.arrow, validation.arrow   a row per image or clip, uncompressed and memory-mapped: all
                                worker processes share the pages, and a set may be larger than
                                the memory
dataset.json                    classes, statistics, source; the same wherever the set is stored

Only for sets with files outside this folder, and specific to this machine:

location.json                   the folder that their paths are relative to
*.stamps.arrow                  a row per file of a split: its size, modification time and hash
"""

from pathlib import Path
from typing import Any, NamedTuple

from cgc.errors import UserError
from cgc.files import read_json

LOCATION = "location.json"


class Files(NamedTuple):
    """Location of the images or clips that a set stores only as paths.

    Attributes:
        root: the folder that paths are relative to; None: the set holds all images or clips.
        template: names of the frames in a clip's folder, such as `{:05d}.jpg`, counted from 1;
            None: clips are video files.
    """

    root: str | None = None
    template: str | None = None

    def path(self, name: str) -> Path:
        """Return the path of a file.

        Raises:
            UserError: the root is not known.
        """
        if self.root is None:
            raise UserError(
                f"the prepared set does not say where {name} lies: {LOCATION} is missing next to "
                "dataset.json; prepare the data again"
            )
        return Path(self.root) / name

    def names(self, name: str, num_frames: int) -> list[str]:
        """Return the file of an image or a video, or the files of a clip's frames in order."""
        if self.template is None:
            return [name]
        return [f"{name}/{self.template.format(i + 1)}" for i in range(num_frames)]


def read_description(folder: str | Path, *keys: str) -> dict[str, Any]:
    """Read `dataset.json` of a prepared set.

    Args:
        folder: of the set.
        keys: what the description must hold besides the classes.

    Raises:
        UserError: it is missing, or does not describe such a set.
    """
    path = Path(folder) / "dataset.json"
    made_by = f"`snakemake --cores 1 {path}` (rule prepare_data)"
    description = read_json(path, made_by=made_by)
    if (
        not isinstance(description, dict)
        or {"classes", *keys} - description.keys()
        or not is_names(description["classes"])
    ):
        raise UserError(
            f"{path} does not describe a set with {', '.join(sorted({'classes', *keys}))}: "
            f"delete it and run {made_by}"
        )
    return description


def is_names(content: Any) -> bool:
    """Return whether parsed JSON is a list of strings."""
    return isinstance(content, list) and all(isinstance(name, str) for name in content)


def read_root(folder: str | Path) -> str | None:
    """Return the root folder of a prepared set's files; None if the set holds them itself.

    Raises:
        UserError: `location.json` does not name it.
    """
    path = Path(folder) / LOCATION
    if not path.exists():
        return None
    match read_json(path, made_by="prepare_data"):
        case {"root": str(root)}:
            return root
    raise UserError(f'{path} must say {{"root": ...}}: delete it and prepare the data again')
