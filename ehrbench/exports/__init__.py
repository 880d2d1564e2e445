"""Results and tasks in other people's formats."""
