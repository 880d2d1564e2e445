"""What turns a hospital's own questions into a benchmark: checks of the questions, items, a task file."""
