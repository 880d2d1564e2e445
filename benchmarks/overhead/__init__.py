"""What a harness costs beside the model, and what it does when the model's server fails."""
