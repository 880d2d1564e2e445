"""Questions that a language model words: paraphrases of template questions, and questions from discharge summaries."""
