"""A Word document for those who go on editing; the same bytes each time."""

from __future__ import annotations

from datetime import datetime, time
from io import BytesIO
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from lxml.etree import SubElement  # type: ignore[import-untyped]

from portolan.report.content import Bullets, Cell, Document, Facts, Figure, Heading, Paragraph, Section, Table
from portolan.report.render.pdf import picture

ACCENT: Final = RGBColor(0x0B, 0x3D, 0x5C)
PAGE_WIDTH_CM, PAGE_HEIGHT_CM, MARGIN_CM = 21.0, 29.7, 2.1
LANGUAGES: Final = {"en": "en-GB", "fr": "fr-FR"}
CELL, CODE = "Cell", "CellCode"  # styles of paragraphs in tables
SPACES: Final = "\u00a0\u202f\u200b\t"
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


def render(document: Document) -> bytes:
    """Return the report as a Word document with real headings, table headers and texts for pictures."""
    word: Any = docx.Document()
    _prepare(word, document)
    word.add_paragraph(f"{document.administration} · {document.labels['reference']} {document.reference}")
    word.add_heading(document.title, 0)
    word.add_paragraph(f"{document.subtitle} · {document.labels['issued']} {document.issued_text}")
    _section(word, document.summary, document.summary.title)
    word.add_page_break()
    for number, section in enumerate(document.sections, 1):
        _section(word, section, f"{number}. {section.title}")
    stream = BytesIO()
    word.save(stream)
    return _without_clock(stream.getvalue())


def _prepare(word: Any, document: Document) -> None:
    properties = word.core_properties
    properties.title, properties.author = document.title, document.administration
    properties.language, properties.subject = LANGUAGES[document.language], document.reference
    properties.created = properties.modified = datetime.combine(document.issued, time())
    properties.last_modified_by, properties.comments = document.administration, ""
    page = word.sections[0]
    page.orientation = WD_ORIENT.PORTRAIT
    page.page_width, page.page_height = Cm(PAGE_WIDTH_CM), Cm(PAGE_HEIGHT_CM)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Cm(MARGIN_CM)
    normal = word.styles["Normal"]
    normal.font.name, normal.font.size = "Cambria", Pt(10)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), LANGUAGES[document.language])
    normal.element.get_or_add_rPr().append(language)
    for name, size in (("Title", 22), ("Heading 1", 15), ("Heading 2", 12), ("Caption", 9)):
        style = word.styles[name]
        style.font.name, style.font.size, style.font.color.rgb = "Cambria", Pt(size), ACCENT
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for key in [key for key in fonts.attrib if key.endswith("Theme")]:
            del fonts.attrib[key]
        for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
            fonts.set(qn(script), "Cambria")
    for name, face, size in ((CELL, "Cambria", 8), (CODE, "Consolas", 7)):
        style = word.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.font.name, style.font.size = face, Pt(size)
        style.paragraph_format.space_after = Pt(0)
    page.footer.paragraphs[0].text = f"{document.reference} · {document.labels['issued']} {document.issued_text}"


def _section(word: Any, section: Section, title: str) -> None:
    word.add_heading(title, 1)
    for block in section.blocks:
        match block:
            case Table():
                _table(word, block)
            case Paragraph():
                paragraph = word.add_paragraph()
                run = paragraph.add_run(block.text)
                run.italic = block.role == "note"
                run.bold = block.role == "warning"
            case Heading():
                word.add_heading(block.text, 2)
            case Bullets():
                for item in block.items:
                    word.add_paragraph(item, style="List Bullet")
            case Facts():
                for fact in block.items:
                    paragraph = word.add_paragraph(f"{fact.label}: ")
                    paragraph.add_run(fact.value).bold = True
                    paragraph.add_run(f" ({fact.detail})")
            case Figure():
                _figure(word, block)


def _figure(word: Any, figure: Figure) -> None:
    shape = word.add_picture(BytesIO(picture(figure.svg)), width=Cm(PAGE_WIDTH_CM - 2 * MARGIN_CM))
    shape._inline.docPr.set("descr", figure.alt)
    word.add_paragraph(figure.caption, style="Caption")


def _table(word: Any, table: Table) -> None:
    caption = word.add_paragraph(table.caption, style="Caption")
    caption.paragraph_format.keep_with_next = True
    body = (*table.rows, *table.totals)
    grid = word.add_table(rows=1 + len(body), cols=len(table.columns))
    grid.style = "Table Grid"
    grid.autofit = False
    room = PAGE_WIDTH_CM - 2 * MARGIN_CM
    share = sum(column.width for column in table.columns)
    widths = [Cm(room * column.width / share) for column in table.columns]
    for place, width in enumerate(widths):
        grid.columns[place].width = width
    head = tuple(Cell(text=column.title, role="strong") for column in table.columns)
    for line, cells in zip(grid._tbl.tr_lst, (head, *body), strict=True):
        for target, cell, column, width in zip(line.tc_lst, cells, table.columns, widths, strict=True):
            _fill(target, cell, column.align, width)
    for target in grid._tbl.tr_lst[0].tc_lst:
        shade = SubElement(target.tcPr, qn("w:shd"))
        shade.set(qn("w:val"), "clear")
        shade.set(qn("w:fill"), "EEF2F5")
    _repeat(grid.rows[0])
    if table.note:
        word.add_paragraph().add_run(table.note).italic = True
    else:
        word.add_paragraph()


def _fill(target: Any, cell: Cell, align: str, width: Any) -> None:
    """Write a cell as elements: thousands of them by the library's properties take longer than all the rest."""
    target.tcPr.tcW.set(qn("w:w"), str(width.twips))
    paragraph = target.p_lst[0]
    properties = SubElement(paragraph, qn("w:pPr"))
    SubElement(properties, qn("w:pStyle")).set(qn("w:val"), CODE if cell.role == "code" else CELL)
    if align == "end":
        SubElement(properties, qn("w:jc")).set(qn("w:val"), "right")
    run = SubElement(paragraph, qn("w:r"))
    if cell.role == "strong":
        SubElement(SubElement(run, qn("w:rPr")), qn("w:b"))
    for place, text in enumerate(cell.text.split("\n")):
        if place:
            SubElement(run, qn("w:br"))
        written = SubElement(run, qn("w:t"))
        written.text = "".join(letter for letter in text if letter.isprintable() or letter in SPACES)
        written.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")


def _repeat(row: Any) -> None:
    """Mark a row as the table's header, which Word repeats on each page and readers announce."""
    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def _without_clock(data: bytes) -> bytes:
    """Return the same archive with all its times set to the format's earliest."""
    stream = BytesIO()
    with ZipFile(BytesIO(data)) as source, ZipFile(stream, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(ZipInfo(name, EARLIEST), source.read(name), ZIP_DEFLATED)
    return stream.getvalue()
