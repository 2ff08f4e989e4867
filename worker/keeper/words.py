"""What was found, in a sentence."""

from worker.datasets.splitting import MadeSplit
from worker.keeper.content import Content
from worker.keeper.survey import Survey


def in_words(content: Content, survey: Survey, split: MadeSplit, *, ignored: int = 0, on_bad: str = "") -> str:
    """Classes, images, sizes and colour; a split that was made; files that cannot be read, `on_bad` them; others."""
    test = sum(content.marks)
    words = [f"{counted(len(content.classes), 'class', many='classes')}"]
    words[0] += f", {len(content.marks) - test:,} training and {test:,} test images"
    if survey.widths:
        words.append(_sizes(content, survey))
    if content.origin == "made":
        words.append(f"test images taken out of each class here: share {split.test_fraction:g}, seed {split.seed}")
    if survey.bad:
        words.append(f"{counted(len(survey.bad), 'file', many='files')} that cannot be read{on_bad}")
    if ignored:
        words.append(f"{counted(ignored, 'file that is no image', many='files that are no images')}, ignored")
    return "; ".join(words) + "."


def _sizes(content: Content, survey: Survey) -> str:
    smallest, largest = (f"{pick(survey.widths)} × {pick(survey.heights)}" for pick in (min, max))
    colour = "colour" if survey.mode(content.marks) == "RGB" else "grey"
    return f"{smallest} to {largest} pixels, {colour}" if smallest != largest else f"{smallest}, {colour}"


def counted(number: int, one: str, *, many: str) -> str:
    """`1 class`, `2 classes`."""
    return f"{number:,} {one if number == 1 else many}"
