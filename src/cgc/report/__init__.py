"""Figures and tables: from numbers in files to what a reader sees."""
