"""Pages and figures: self-contained HTML, drawn from what was measured."""
