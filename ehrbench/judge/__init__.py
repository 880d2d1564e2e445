"""The judge: a model that compares answers with a reference model's, and the controls of its biases."""
