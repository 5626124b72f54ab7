"""What the server asks the worker process."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """Where does the network of a run see a class in a picture?

    Attributes:
        run: its folder.
        picture: path of the image file.
        image: index of the image in the workspace.
        class_name: as the run knows it.
    """

    run: str
    picture: str
    image: int
    class_name: str
