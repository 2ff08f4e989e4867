"""Structured logs on standard error: static phrases with fields, a JSON object a line, or readable on a terminal."""

import io
import logging
import re
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# How credentials get into messages of libraries: addresses, headers, settings of connections, keys of ours.
_SECRETS = (
    (re.compile(r"(?<=://)[^/\s@]*@"), "***@"),
    (re.compile(r"(?i)\b(bearer|basic) +[^\s'\"]+"), r"\1 ***"),
    (
        re.compile(r"(?i)\b(password|secret|token|api_key|secret_access_key)(=|['\"]\s*:\s*)[^\s,;]+"),
        r"\1\2***",
    ),
    (re.compile(r"\bsc_[A-Za-z0-9_-]{16,}"), "sc_***"),
)


def configure_logs(part: str) -> None:
    """Send what this process and its libraries log to standard error, with the name of the part it is."""
    chain, lines = _chain(part), Lines(_unbuffered(sys.stderr))
    renderer = _renderer(is_terminal=sys.stderr.isatty())
    structlog.configure(
        processors=[*chain, lines.tell_lost, renderer],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", lines)),
        cache_logger_on_first_use=True,
    )
    _configure_libraries([structlog.stdlib.add_logger_name, *chain], renderer)


def _unbuffered(stream: TextIO) -> TextIO:
    """The same file without a buffer, which would hold lines that found no room until later ones come."""
    if not isinstance(getattr(stream, "buffer", None), io.BufferedWriter):
        return stream  # written through already, or no file
    raw = io.FileIO(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(cast("BinaryIO", raw), stream.encoding, "backslashreplace", write_through=True)


class Lines:
    """Where lines go. One that finds no room on the disk is lost and counted, and whoever said it goes on.

    The log often lies on the disk that is full: an error about that must not become another error, nor end a thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> None:
        """Write a line."""
        try:
            self._stream.write(text)
            self._lost = 0
        except OSError:
            self._lost += 1

    def flush(self) -> None:
        """Have it written."""
        with suppress(OSError):  # standard error is written through: what finds no room was counted above
            self._stream.flush()

    def tell_lost(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Have the next line say how many were lost before it: one of its own, from in here, would lock itself out."""
        if self._lost:
            event["lines_lost"] = self._lost
        return event


def _configure_libraries(chain: list[Processor], renderer: Processor) -> None:
    """What Celery, uvicorn and Python's own warnings say becomes lines of the same kind."""
    finish = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=chain, processors=finish))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


def _chain(part: str) -> list[Processor]:
    def name_part(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["part"] = part  # no context variable: threads do not inherit those
        return event

    return [
        structlog.contextvars.merge_contextvars,
        name_part,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]


def _renderer(*, is_terminal: bool) -> Processor:
    if not is_terminal:
        return structlog.processors.JSONRenderer()
    console = structlog.dev.ConsoleRenderer(repr_native_str=True, exception_formatter=structlog.dev.plain_traceback)
    return lambda logger, method, event: console(logger, method, escape(logger, method, event))


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take passwords and keys out of every text."""
    return {name: _without_secrets(value) if isinstance(value, str) else value for name, value in event.items()}


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write control characters as `\\x1b`: a user's text must not command a terminal, nor look like another line.

    Only where the renderer prints a text as it is; fields it quotes and escapes itself.
    """
    kept = {"event": "", "exception": "\n", "stack": "\n"}
    return dict(event) | {name: _escaped(str(event[name]), kept=kept[name]) for name in kept.keys() & event.keys()}


def _escaped(text: str, *, kept: str) -> str:
    return "".join(one if one.isprintable() or one in kept else one.encode("unicode_escape").decode() for one in text)
