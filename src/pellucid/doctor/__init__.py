"""Why a network does not learn, and what fixes it, proven by experiment."""
