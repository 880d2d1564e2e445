"""Results of other people's harnesses as rows: their numbers and where they are from, never ranked with ours."""
