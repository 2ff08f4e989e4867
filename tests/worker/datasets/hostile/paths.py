"""Names that lead out of the folder, cannot be shown, or mean the same file twice, in every format."""

from collections.abc import Iterator
from pathlib import Path

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import CAT, Entry, entry

UTF_8 = 0x800

#: Each leads out, or would on some system.
LEADING_OUT = {
    "up": "../x.png",
    "up twice": "../../x.png",
    "up nine times": "../" * 9 + "x.png",
    "down and up": "cat/../../x.png",
    "up inside": "cat/../x.png",
    "here and up": "./../x.png",
    "up in the middle": "cat/./.././../x.png",
    "up alone": "..",
    "up at the end": "cat/..",
    "absolute": "/x.png",
    "absolute twice": "//x.png",
    "absolute and up": "/../x.png",
    "to /etc": "/etc/cron.d/x.png",
    "to the root": "/",
    "drive": "C:/x.png",
    "drive without a slash": "C:x.png",
    "small drive": "c:\\x.png",
    "backslash": "\\x.png",
    "up by backslash": "..\\x.png",
    "down and up by backslash": "cat\\..\\..\\x.png",
    "both slashes": "cat/..\\../x.png",
    "share": "\\\\server\\share\\x.png",
    "share by slashes": "//server/share/x.png",
    "device path": "\\\\?\\C:\\x.png",
    "stream of NTFS": "C:\\x.png::$DATA",
}
#: Each would show as something else, or as nothing.
NOT_TO_BE_SHOWN = {
    "bell": "cat/x\a.png",
    "escape": "cat/x\x1b[31m.png",
    "new line": "cat/x\n.png",
    "carriage return": "cat/x\r.png",
    "delete": "cat/x\x7f.png",
    "C1": "cat/x\x9b.png",
    "right to left": "cat/x\u202egnp.png",
    "isolate": "cat/x\u2066.png",
    "zero width": "cat/x\u200b.png",
    "byte order mark": "cat/\ufeffx.png",
    "line separator": "cat/x\u2028.png",
    "private use": "cat/x\ue000.png",
    "no character": "cat/x\ufffe.png",
    "no-break space": "cat/\xa0x.png",
    "tag": "cat/x\U000e0041.png",
}
TOO_LONG = {
    "name of 256 bytes": f"cat/{'x' * 252}.png",
    "name of 130 letters of two bytes": f"cat/{'é' * 126}.png",
    "path of 1001 bytes": "/".join(["x" * 199] * 5) + "/y",
    "path of 4000 bytes in 1000 letters": "/".join(["\U0001f600" * 60] * 16),
    "65 folders": "a/" * 65 + "x.png",
}
SAME = {
    "twice": ["cat/x.png", "cat/x.png"],
    "with a dot": ["cat/x.png", "./cat/x.png"],
    "with a slash": ["cat/x.png", "cat//x.png"],
    "in capitals": ["cat/x.png", "cat/X.PNG"],
    "class in capitals": ["Cat/x.png"],
    "sharp s": ["cat/straße.png", "cat/STRASSE.png"],
    "dotless i": ["cat/x\u0130.png", "cat/xi\u0307.png"],
    "Kelvin": ["cat/k.png", "cat/\u212a.png"],
    "composed": ["cat/\u00e9.png", "cat/e\u0301.png"],
    "composed, in capitals": ["cat/\u00e9.png", "cat/E\u0301.png"],
    "Hangul": ["cat/\uac00.png", "cat/\u1100\u1161.png"],
    "file and folder": ["cat/x.png", "cat/x.png/y.png"],
    "folder and file": ["cat/x.png/y.png", "cat/x.png"],
    "folder of a good file": ["cat/0.png/y.png"],
    "file and folder in capitals": ["cat/x.png", "cat/X.PNG/y.png"],
}
#: None of these means anything to a file system here: each is a name like any other.
HARMLESS = {
    "percent": "%2e%2e/x.png",
    "percent twice": "%252e%252e%252fx.png",
    "full width": "\uff0e\uff0e/x.png",
    "leader": "\u2025/x.png",
    "slash of another kind": "cat/..\u2215x.png",
    "home": "~/x.png",
    "root's home": "~root/x.png",
    "variable": "$HOME/x.png",
    "command": "`reboot`/x.png",
    "option": "-rf/x.png",
    "device of Windows": "CON/x.png",
    "dot at the end": "lion./x.png",
    "hour": "lion/12:30.png",
    "markup": "<script>alert(1)</script>/x.png",
    "lookup": "${jndi:ldap:..x}/x.png",
    "hidden": "...../x.png",
    "format": "%s%n{0}/x.png",
}


def in_every_format(name: str, names: list[str], *codes: str) -> Iterator[Entry]:
    """The same in a zip and in each kind of tar."""
    parts = [raw_zip.Part(text.encode(), CAT, flags=0 if text.isascii() else UTF_8) for text in names]
    yield entry(f"zip: {name}", raw_zip.zipped(*raw_zip.good(), *parts), *codes)
    archive = raw_tar.tar(*[tar_file(text.encode()) for text in names])
    for form, pack in raw_tar.PACKERS.items():
        yield entry(f"{form}: {name}", pack(archive), *codes)


def tar_file(name: bytes) -> bytes:
    """A picture of that name, however long."""
    return (raw_tar.long_name(name) if len(name) > 100 else b"") + raw_tar.member(name, CAT)


def _to_the_canary(pack, place: Path) -> bytes:
    return pack(f"{place}/outside/x.png".encode())


def _odd_bytes() -> Iterator[Entry]:
    """What only one of the formats can say."""
    zipped, good = raw_zip.zipped, raw_zip.good()
    for name, text in {
        "NUL": b"cat/x\0.png",
        "NUL before a suffix": b"cat/x.png\0.txt",
        "NUL and up": b"cat\0/../x.png",
    }.items():
        yield entry(f"zip: {name}", zipped(*good, raw_zip.Part(text, CAT)), "unsafe_path")
        yield entry(f"tar: {name}", raw_tar.tar(raw_tar.pax({"path": text}), raw_tar.member(b"y", CAT)), "unsafe_path")
    for name, text in {
        "no UTF-8": b"cat/\xff.png",
        "overlong dots": b"\xc0\xae\xc0\xae/x.png",
        "surrogate": b"cat/\xed\xa0\x80.png",
    }.items():
        yield entry(f"zip: {name}", zipped(*good, raw_zip.Part(text, CAT, flags=UTF_8)), "unsafe_path")
        yield entry(f"tar: {name}", raw_tar.tar(raw_tar.member(text, CAT)), "unsafe_path")
        yield entry(
            f"tar: {name} by PAX", raw_tar.tar(raw_tar.pax({"path": text}), raw_tar.member(b"y", CAT)), "unsafe_path"
        )
    yield entry("zip: no-break space of DOS", zipped(*good, raw_zip.Part(b"cat/\xff.png", CAT)), "unsafe_path")
    yield entry("zip: up, as a folder", zipped(*good, raw_zip.Part(b"../evil/", mode=0o040755)), "unsafe_path")
    yield entry("tar: up, as a folder", raw_tar.tar(raw_tar.member(b"../evil", kind=b"5")), "unsafe_path")
    yield entry(
        "tar: absolute, by the prefix", raw_tar.tar(raw_tar.member(b"x.png", CAT, prefix=b"/etc")), "unsafe_path"
    )
    yield entry("tar: up, by the prefix", raw_tar.tar(raw_tar.member(b"x.png", CAT, prefix=b"..")), "unsafe_path")
    yield entry(
        "tar: up, by PAX", raw_tar.tar(raw_tar.pax({"path": "../x.png"}), raw_tar.member(b"y", CAT)), "unsafe_path"
    )
    for_all = raw_tar.pax({"path": "../x.png"}, kind=b"g")
    yield entry("tar: up, by PAX for all", for_all + raw_tar.tar(), "unsafe_path")
    yield entry(
        "tar: up, by a long name", raw_tar.tar(raw_tar.long_name(b"../x.png"), raw_tar.member(b"y", CAT)), "unsafe_path"
    )


def entries() -> Iterator[Entry]:
    """All of them."""
    for name, text in (LEADING_OUT | NOT_TO_BE_SHOWN | TOO_LONG).items():
        yield from in_every_format(name, [text], "unsafe_path")
    for name, names in SAME.items():
        yield from in_every_format(name, names, "duplicate_member")
    for name, text in HARMLESS.items():
        yield from in_every_format(name, [text])
    yield entry(
        "zip: to the canary",
        lambda place: _to_the_canary(lambda name: raw_zip.zipped(raw_zip.Part(name, CAT)), place),
        "unsafe_path",
    )
    yield entry(
        "tar: to the canary",
        lambda place: _to_the_canary(lambda name: raw_tar.tar(tar_file(name)), place),
        "unsafe_path",
    )
    yield from _odd_bytes()
