"""How long the leaderboard takes and how large it is; pictures of its pages."""
