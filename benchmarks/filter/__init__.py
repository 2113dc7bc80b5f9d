"""Search among some of the vectors of an index."""
