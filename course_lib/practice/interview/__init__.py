"""The mock interview: plan, questions, judging by must-say points, report."""
