"""For every registered check: a target, a scene that reaches it and one that falls below.

A check that is not here makes `test_every_check.py` fail.
"""

from __future__ import annotations

from tests.unit.conformity import cases_of_hosts, cases_of_the_site
from tests.unit.conformity.case import Case

CASES: dict[str, Case] = cases_of_hosts.CASES | cases_of_the_site.CASES
