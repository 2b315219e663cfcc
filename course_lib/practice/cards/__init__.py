"""Quiz cards from the bank on a spaced schedule, in the terminal, as a widget and for Anki."""
