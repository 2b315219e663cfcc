"""Known answers and questions: what the bank holds, read, checked and shown."""
