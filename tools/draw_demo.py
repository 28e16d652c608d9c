"""Draw the README's picture from the run that `make demo` leaves."""

import pellucid as pel

pel.load("runs/demo").plot().savefig("docs/images/demo.png", dpi=110)
