"""The static leaderboard, generated from results."""
