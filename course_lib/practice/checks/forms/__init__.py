"""Forms of exercises: each tries what an author would not think of, so that no check has to be written twice."""
