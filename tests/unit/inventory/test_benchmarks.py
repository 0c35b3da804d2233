"""Reports of lynis and kube-bench become findings, and findings evidence: each is mended or left out with a reason."""

from __future__ import annotations

import json

import pytest

from portolan.errors import PortolanError
from portolan.inventory.benchmarks import as_evidence, counts, read_kube_bench, read_lynis, read_reports, reasons

LYNIS = """\
# Lynis Report
report_version_major=1
warning[]=NETW-2705|Couldn't find 2 responsive nameservers|-|-|
warning[]=AUTH-9208|An account without a password|root|text:lock it|
suggestion[]=SSH-7408|Consider hardening SSH configuration|AllowTcpForwarding|-|
hardening_index=71
finish=true
"""


def item(number: str, status: str) -> dict[str, str]:
    return {"test_number": number, "test_desc": f"Item {number}", "status": status}


def kube_bench(*results: dict[str, str]) -> str:
    return json.dumps(
        {"Controls": [{"id": "1", "tests": [{"section": "1.2", "desc": "API server", "results": list(results)}]}]}
    )


def test_lynis_warnings_are_findings_and_its_suggestions_are_not():
    report = read_lynis("control-1", LYNIS, {"NETW-2705": "the site has one name server"})
    assert [(one.id, one.left_out) for one in report.findings] == [
        ("NETW-2705", "the site has one name server"),
        ("AUTH-9208", ""),
    ]
    assert report.hardening_index == 71


def test_items_that_kube_bench_fails_are_findings_and_what_it_warns_of_is_not():
    text = kube_bench(item("1.2.1", "FAIL"), item("1.2.2", "PASS"), item("1.2.3", "WARN"), item("4.1.1", "FAIL"))
    report = read_kube_bench("control-1", text, {"1.2.1": "probes need it"})
    assert [(one.id, bool(one.left_out)) for one in report.findings] == [("1.2.1", True), ("4.1.1", False)]
    assert (report.passed, report.warned, report.failed) == (1, 1, 2)
    (section,) = report.sections
    assert (section.id, section.passed, section.warned, section.failed, section.left_out) == ("1.2", 1, 1, 2, 1)


def test_people_see_a_line_for_each_section_and_for_lynis():
    text = kube_bench(item("1.2.1", "FAIL"), item("1.2.2", "PASS"), item("1.2.3", "WARN"), item("4.1.1", "FAIL"))
    reports = (read_kube_bench("a", text, {"1.2.1": "probes"}), read_lynis("a", LYNIS, {"NETW-2705": "one"}))
    assert counts(reports) == [
        ("a", "kube-bench", "1.2 API server", "1", "1", "2", "1"),
        ("a", "lynis", "hardening index 71 of 100", "", "", "2", "1"),
    ]


def test_an_item_of_an_unknown_status_is_not_left_out_of_the_count_in_silence():
    with pytest.raises(PortolanError, match="cannot be read"):
        read_kube_bench("control-1", kube_bench(item("1.2.1", "MAYBE")), {})


@pytest.mark.parametrize("text", ["", "{}", '{"Controls": [{"tests": [{"results": [{}]}]}]}'])
def test_a_report_of_kube_bench_that_was_cut_is_told(text: str):
    with pytest.raises(PortolanError, match="cannot be read"):
        read_kube_bench("control-1", text, {})


def test_a_report_of_lynis_that_was_cut_is_told():
    with pytest.raises(PortolanError, match="has no end"):
        read_lynis("control-1", LYNIS.partition("hardening_index")[0], {})


def test_evidence_counts_what_has_no_reason_and_says_where_a_tool_is_missing(tmp_path):
    (tmp_path / "control-1").mkdir()
    (tmp_path / "control-1" / "lynis.dat").write_text(LYNIS)
    reports = read_reports(tmp_path, ("control-1", "worker-1"))
    found = {
        (one.host, one.method.split(",")[0]): one for one in as_evidence(reports, ("control-1", "worker-1"), "now")
    }
    assert found["control-1", "lynis"].value == 1  # the name servers are left out with a reason
    assert "AUTH-9208" in found["control-1", "lynis"].detail
    assert found["control-1", "kube-bench"].reason_not_measured == "kube-bench is not on the host"
    assert found["worker-1", "lynis"].value is None


def test_what_the_data_leave_out_is_known_by_number():
    assert "1.2.1" in reasons("kubernetes")
    assert "NETW-2705" in reasons("lynis")
