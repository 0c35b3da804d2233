"""The administration's texts: files of a folder, cut into passages that an answer can cite.

A text is Markdown (`.md`), plain text (`.txt`) or a PDF with text in it (`.pdf`). Its language is that of the folder
`en` or `fr` it lies in, else the one that its words tell. A passage is a section, or a part of one where it is long:
the encoder reads 128 tokens of it, which is about ninety words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from language_assistant.documents.pdf import text_of_pdf
from language_assistant.words import LANGUAGES, language_of, plain, sentences
from model_server.errors import ServiceError

ENDINGS = (".md", ".txt", ".pdf")
WORDS_MOST = 90  # of a passage
FILE_BYTES_MOST = 16 << 20
FILES_MOST = 20_000
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")


@dataclass(frozen=True)
class Passage:
    """What an answer cites: `id` is the text's path without its ending, `#`, and the section's name."""

    id: str
    document: str
    title: str
    section: str
    language: str
    text: str

    @property
    def searched(self) -> str:
        """Return what is looked through: the section's heading says what its sentences are about."""
        return f"{self.section}. {self.text}" if self.section else self.text


def slug(text: str) -> str:
    """Return a heading as part of an address.

    >>> slug("Additions à l'étape 2")
    'additions-a-l-etape-2'
    """
    return re.sub(r"[^a-z0-9]+", "-", plain(text)).strip("-") or "section"


def read_texts(root: Path) -> tuple[list[Passage], str]:
    """Return the passages of all texts below a folder in a fixed order, and the digest of the texts.

    Raises ServiceError where the folder holds none, or a text that cannot be read.
    """
    if not root.is_dir():
        raise ServiceError(str(root), "no such folder", "name the folder of the texts")
    # a volume of Kubernetes has hidden folders with what its links point to: each text is read once
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix in ENDINGS and path.is_file() and not any(p[0] == "." for p in path.relative_to(root).parts)
    )
    if not paths:
        raise ServiceError(str(root), "no text in it", f"put files there that end in {', '.join(ENDINGS)}")
    if len(paths) > FILES_MOST:
        raise ServiceError(str(root), f"{len(paths)} texts", f"keep at most {FILES_MOST} in one index")
    digest, passages = sha256(), []
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.stat().st_size > FILE_BYTES_MOST:
            raise ServiceError(name, "it is too long", f"cut it to at most {FILE_BYTES_MOST >> 20} MiB")
        content = path.read_bytes()
        digest.update(f"{name} {sha256(content).hexdigest()}\n".encode())
        passages.extend(passages_of(name, _text(name, content)))
    if not passages:
        raise ServiceError(str(root), "its texts hold no sentence", "put texts there")
    return passages, digest.hexdigest()


def _text(name: str, content: bytes) -> str:
    if name.endswith(".pdf"):
        return text_of_pdf(content, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ServiceError(name, "it is no UTF-8", "save it as UTF-8") from None


def passages_of(name: str, text: str) -> list[Passage]:
    """Return the passages of one text, each with an address of its own."""
    document = name.rsplit(".", 1)[0]
    folder = name.split("/", 1)[0]
    language = folder if folder in LANGUAGES else language_of(text)
    title, found, seen = document.rsplit("/", 1)[-1], [], dict[str, int]()
    for level, heading, paragraphs in _sections(text):
        if level == 1:
            title = heading
        for part in _parts(paragraphs):
            address = slug(heading) if level > 1 else "start"
            seen[address] = seen.get(address, 0) + 1
            number = f".{seen[address]}" if seen[address] > 1 else ""
            section = heading if level > 1 else ""
            found.append(Passage(f"{document}#{address}{number}", document, title, section, language, part))
    return found


def _sections(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield level, heading and paragraphs of each section; what stands before any heading has level 1."""
    level, heading, lines = 0, "", list[str]()
    for line in text.splitlines():
        match = _HEADING.fullmatch(line.strip())
        if match is None:
            lines.append(line)
            continue
        if level or any(one.strip() for one in lines):
            yield level or 1, heading or match[2], _paragraphs(lines)
        level, heading, lines = len(match[1]), match[2], []
    yield level or 1, heading or next((one.strip() for one in lines if one.strip()), ""), _paragraphs(lines)


def _paragraphs(lines: Sequence[str]) -> list[str]:
    blocks = "\n".join(lines).split("\n\n")
    return [" ".join(block.split()) for block in blocks if block.strip()]


def _parts(paragraphs: Sequence[str]) -> list[str]:
    """Return the paragraphs as parts of at most so many words, cut between sentences."""
    parts: list[str] = []
    size = 0
    for paragraph in paragraphs:
        for sentence in sentences(paragraph):
            count = len(sentence.split())
            if not parts or size + count > WORDS_MOST:
                parts.append(sentence)
                size = count
            else:
                parts[-1] += f" {sentence}"
                size += count
    return parts
