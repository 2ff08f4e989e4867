"""Decodes pictures that anybody may have sent: format, size and mode are checked before a pixel is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from worker.datasets.errors import Refused, reason_of
from worker.datasets.source import Mode, Resize

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
MAX_PIXELS = 50_000_000
GREY_MODES = frozenset(("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N"))
_HINT = "Replace the file by a whole picture (JPEG, PNG, BMP, WebP or TIFF), or leave it out."


def read(path: str) -> bytes:
    """What is in a file. Of a small one, Path.read_bytes takes three times as long."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - that is why
        return file.read()


@contextmanager
def reading(data: bytes, path: str) -> Iterator[Image.Image]:
    """A picture of which only the header was read. Whatever the decoder raises inside becomes Refused."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _refuse_large(image, path)
            yield image
    except (MemoryError, Refused):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, "far too many") from error
    except UnidentifiedImageError as error:
        raise Refused("unreadable_image", path, detail="It is not a picture.", hint=_HINT) from error
    except Exception as error:  # Pillow's decoders raise nearly anything for a broken file
        detail = f"It cannot be decoded: {reason_of(error)}."
        raise Refused("unreadable_image", path, detail=detail, hint=_HINT) from error


def is_grey(image: Image.Image) -> bool:
    """Whether the file says it has no colour."""
    return image.mode in GREY_MODES


def as_mode(image: Image.Image, mode: Mode) -> Image.Image:
    """Decode in full, to grey or colour. Transparency is dropped, of 16 bits the upper 8 are kept."""
    image.load()
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits are not supported")
    if image.mode in ("P", "PA"):  # a palette may hold transparency, which only RGBA takes without loss
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def as_square(image: Image.Image, mode: Mode, *, side: int, resize: Resize) -> Image.Image:
    """Decode into a square of `side` pixels."""
    image.draft(mode, (side, side))  # lets a JPEG decoder shrink a large photograph while it reads it
    return fitted(as_mode(image, mode), side=side, resize=resize)


def fitted(image: Image.Image, *, side: int, resize: Resize) -> Image.Image:
    """Scale into a square: cut the longer side, fill up the shorter one with black, or distort."""
    if image.size == (side, side):
        return image
    match resize:
        case "crop":
            return ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
        case "pad":
            return _padded(image, side)
        case "stretch":
            return image.resize((side, side), Image.Resampling.BILINEAR)


def _padded(image: Image.Image, side: int) -> Image.Image:
    longer = max(image.size)
    # At least a pixel: ImageOps.pad fails for a picture that is very much longer than wide.
    width, height = (max(1, round(length * side / longer)) for length in image.size)
    square = Image.new(image.mode, (side, side), 0)
    square.paste(image.resize((width, height), Image.Resampling.BILINEAR), ((side - width) // 2, (side - height) // 2))
    return square


def _refuse_large(image: Image.Image, path: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path, f"{image.width} × {image.height}")


def _too_large(path: str, size: str) -> Refused:
    detail = f"It has {size} pixels; at most {MAX_PIXELS // 1_000_000} million are read."
    return Refused("image_too_large", path, detail=detail, hint="Scale it down before you send it.")
