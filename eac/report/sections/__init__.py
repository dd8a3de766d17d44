"""The sections of the page of a run, one file each; ``eac.report.run.page`` puts them in order."""
