"""Checks of every file of a set while it is prepared.

Only headers are read: decoding all of ImageNet takes hours. A truncated body is found, and named,
when the image is decoded. Files that stay outside the set are stamped.
"""

from collections.abc import Iterable, Iterator

from cgc.data.image_files import (
    UNREADABLE,
    ImageFile,
    describe_unreadable,
    is_turned,
    open_image,
)
from cgc.data.prepared import Files
from cgc.data.stamps import StampWriter, stamp
from cgc.data.table import AnyTable, ImageTable, Row
from cgc.errors import UserError, list_some


class Headers:
    """Checks the rows of a set as they pass through, and collects notes.

    Args:
        table: whether the set has images or clips; videos were opened to count their frames.
        files: location of the files stored only as paths.
    """

    def __init__(self, table: type[AnyTable], files: Files) -> None:
        self.table, self.files = table, files
        self.formats, self.num_turned = set[str](), 0

    def check(
        self, name: str, rows: Iterable[Row], stamps: StampWriter | None = None
    ) -> Iterator[Row]:
        """Yield the rows, and raise at the end if files are not readable.

        Args:
            name: of the split.
            rows: of the split.
            stamps: takes the stamps of files that are not copied.

        Raises:
            UserError: an image is not readable, or a clip has frames of several sizes.
        """
        unreadable, num_rows = list[str](), 0
        for row in rows:
            try:
                self._check(row, stamps)
            except UNREADABLE as error:
                unreadable.append(f"{row.path} ({describe_unreadable(error)})")
            num_rows += 1
            yield row
        if unreadable:
            raise UserError(
                f"{len(unreadable)} of {num_rows} {name} {self.table.what}s are not readable: "
                f"{list_some(unreadable)}; replace or delete them"
            )

    def notes(self) -> list[str]:
        """Return notes on the image formats and on how many images are not stored upright."""
        notes = []
        if self.table is ImageTable:
            notes.append(f"images are {' and '.join(sorted(self.formats))}")
        if self.num_turned:
            notes.append(f"{self.num_turned} images have an EXIF orientation, which is not applied")
        return notes

    def _check(self, row: Row, stamps: StampWriter | None) -> None:
        if row.encoded is not None:
            if self.table is ImageTable:
                self._size(row.encoded)
            return
        assert stamps is not None
        are_images = self.table is ImageTable or self.files.template is not None
        first = None
        for name in self.files.names(row.path, row.num_frames):
            path = self.files.path(name)
            stamps.add(name, stamp(path))
            if are_images:
                size = self._size(path)
                first = first or size
                if size != first:
                    raise ValueError(f"{path.name} is {size}, the first frame {first} px")

    def _size(self, file: ImageFile) -> tuple[int, int]:
        with open_image(file) as image:
            self.formats.add(str(image.format))
            self.num_turned += is_turned(image)
            return image.size
