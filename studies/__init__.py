"""Commands that write documents, or hold the project against figures that it keeps: `python -m studies.NAME`."""
