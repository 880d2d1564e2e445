"""What commands print with: tables, JSON, progress; and the options that several of them share."""
