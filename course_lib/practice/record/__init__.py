"""The reader's progress: one file of events, and what it says about chapters."""
