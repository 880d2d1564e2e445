"""Looking at items: lists over one or many runs, and one page per item with its record, its answers and how they were scored."""
