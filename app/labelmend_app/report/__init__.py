"""One self-contained HTML page of a cleaning project: what was found and mended, and how that is known."""

from labelmend_app.report._page import report_page, write_report

__all__ = ["report_page", "write_report"]
