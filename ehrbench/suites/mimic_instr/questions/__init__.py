"""The schema-alignment questions of MIMIC-Instr and their exact answers (protocol page, section 3)."""

from ehrbench.suites.mimic_instr.questions.ask import Question, all_questions, sample_questions
from ehrbench.suites.mimic_instr.questions.chart import Chart, charts
from ehrbench.suites.mimic_instr.questions.templates import LIVE_TYPES, QUESTION_TYPES, TEMPLATES, Template

__all__ = [
    "LIVE_TYPES",
    "QUESTION_TYPES",
    "TEMPLATES",
    "Chart",
    "Question",
    "Template",
    "all_questions",
    "charts",
    "sample_questions",
]
