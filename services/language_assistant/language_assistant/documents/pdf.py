"""The text that a PDF holds. A scan without text holds none: it needs character recognition first."""

from __future__ import annotations

import io

from model_server.errors import BadRequestError

PAGES_MOST = 200


def text_of_pdf(content: bytes, where: str = "pdf") -> str:
    """Return the text of all pages, laid out as it stands on them. Raises BadRequestError where there is none."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(content))
        if len(reader.pages) > PAGES_MOST:
            raise BadRequestError(where, f"{len(reader.pages)} pages", f"send at most {PAGES_MOST}", status=413)
        text = "\n\n".join(page.extract_text(extraction_mode="layout") for page in reader.pages)
    except BadRequestError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError):
        raise BadRequestError(where, "no PDF that can be read", "send a PDF without a password", status=422) from None
    if not text.strip():
        raise BadRequestError(where, "no text in it: it is a scan", "recognise its characters first", status=422)
    return text
