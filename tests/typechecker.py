"""The checker of annotated calls in the tests: beartype, for which an int will do where a float is asked."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
