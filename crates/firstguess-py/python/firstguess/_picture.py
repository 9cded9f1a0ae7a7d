"""Pictures as Python sees them: drawn by the compiled core, shown by notebooks, no other library needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

from ._core import Picture as _CorePicture


class Picture:
    """A picture of a report. A notebook shows it as it is.

    Examples
    --------
    >>> import firstguess as fg
    >>> report = fg.check({"init": {"scheme": "he_normal"}, "network": {"layers": [{"dense": 32}, "relu", {"dense": 10}]}},
    ...                   draws=4, samples=50)
    >>> picture = report.plot("gradient")
    >>> picture.to_svg()[:4], picture.to_png()[1:4]
    ('<svg', b'PNG')
    """

    def __init__(self, core: _CorePicture) -> None:
        self._core = core

    @property
    def name(self) -> str:
        """Its name among the pictures of the report."""
        return self._core.name

    @property
    def title(self) -> str:
        """What it shows, in one line."""
        return self._core.title

    @property
    def description(self) -> str:
        """How to read it, in a few sentences."""
        return self._core.description

    def to_svg(self) -> str:
        """The text of an SVG file; it turns dark where its reader asks for that."""
        return self._core.to_svg()

    def to_png(self, *, dark: bool = False, scale: float = 2.0) -> bytes:
        """The bytes of a PNG file, ``720 * scale`` pixels across."""
        return self._core.to_png(dark, scale)

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the picture to a file whose name ends in ``.svg`` or ``.png``, whole or not at all."""
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in (".svg", ".png"):
            raise ValueError(f"the name of a picture ends in .svg or .png, got {target.name!r}")
        data = self.to_svg().encode() if ending == ".svg" else self.to_png()
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        return f"<firstguess.Picture {self.name!r}: {self.title}>"
