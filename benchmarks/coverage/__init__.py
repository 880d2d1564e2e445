"""How often the 95 % interval covers the true value, by simulation."""
