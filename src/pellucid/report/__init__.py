"""Documents and charts: written once, rendered to HTML, terminals, Markdown, LaTeX and matplotlib."""
