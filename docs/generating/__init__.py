"""Generate the pages of the documentation that follow from the code: tables, help, types and divergences."""

from __future__ import annotations

from docs.generating.commands import command_line as command_line
from docs.generating.divergences import divergence_pages as divergence_pages
from docs.generating.report_files import report_types as report_types
from docs.generating.tables import ROOT as ROOT
from docs.generating.tables import contracts as contracts
from docs.generating.tables import example_report as example_report
from docs.generating.tables import model_contracts as model_contracts
from docs.generating.tables import operations as operations
from docs.generating.tables import pytest_options as pytest_options
from docs.generating.tables import sensitivities as sensitivities
from docs.generating.tables import verdicts as verdicts

SECTIONS = {
    "command-line": command_line,
    "contracts": contracts,
    "example-report": example_report,
    "model-contracts": model_contracts,
    "operations": operations,
    "pytest-options": pytest_options,
    "report-types": report_types,
    "sensitivities": sensitivities,
    "verdicts": verdicts,
}
