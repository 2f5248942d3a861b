"""The report, `results/report.html`: what has been published and run, on one page."""
