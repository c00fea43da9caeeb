"""Every experiment in one run: studies to sections, sections to tables, charts and one page that needs no network."""
