"""The part of the sample that follows patterns: radiology reports, outcomes, rationales, entailment, treatment, diagnosis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_PLACES = {
    "chest": ("the lung bases", "a 4 mm nodule in the right upper lobe"),
    "head_and_neck": ("the parotid glands", "mild swelling of the left submandibular gland"),
    "brain": ("the ventricles", "a small old infarct in the left cerebellum"),
    "abdomen": ("the liver and spleen", "two simple cysts of the left kidney"),
    "pelvis": ("the bladder", "a small amount of free fluid"),
    "spine": ("the vertebral bodies", "a mild disc bulge at L4/L5"),
}
_SIDES = ("No change since the study before.", "New since the study before.", "No comparison is at hand.")
_VITALS = (
    ("age", "gender", "triage_temperature", "triage_heartrate", "triage_pain", "chiefcom_chest_pain", "cci_CHF", "eci_Obesity"),
    (
        (71, "F", 36.9, 88, 4, True, 1, 0),
        (34, "M", 37.2, 72, 2, False, 0, 0),
        (58, "F", 38.6, 112, 7, False, 0, 1),
        (80, "M", 36.4, 95, 0, True, 1, 1),
        (45, "F", 37.0, 64, 3, False, 0, 0),
        (63, "M", 39.1, 121, 8, False, 1, 0),
    ),
)
_PAIRS = (
    ("Walks to the bathroom without help.", "The patient can walk", "The patient cannot walk", "The patient walks with a stick"),
    ("No fever since Tuesday.", "There was no fever on Wednesday", "There is a fever", "The patient had a cough"),
    ("Ate half of the lunch.", "The patient ate something", "The patient ate nothing", "The lunch was soup"),
    ("Sleeps seven hours a night.", "The patient sleeps at night", "The patient never sleeps", "The patient dreams a lot"),
    ("The left heel has a blister.", "There is a blister", "The skin is whole", "The shoes are new"),
)
TREATMENTS = (
    "No radiation and/or cancer-directed surgery",
    "Radiation after surgery",
    "Radiation prior to surgery",
    "Intraoperative radiation",
)


def built_files() -> dict[str, dict[str, Any]]:
    """Place of each file to its definition and instances."""
    found: dict[str, dict[str, Any]] = {}
    for place, definition, instances in (*_radiology(), *_outcomes(), *_entailment(), _treatment(), _diagnosis()):
        found[place] = {"definition": definition, "instances": [{"input": x, "output": y} for x, y in instances]}
    return found


_File = tuple[str, str, list[tuple[str, str]]]


def _radiology() -> Iterator[_File]:
    definition = "Given the findings of a report, write its impression."
    for first, modality in ((83, "ct"), (89, "mri")):
        for number, (place, (normal, finding)) in enumerate(_PLACES.items(), first):
            yield (
                f"Text_summarization/task{number}_mimic_{modality}_{place}_summarization.json",
                definition,
                [
                    (
                        f"There is {finding if k % 2 else 'no acute abnormality'}.\n{normal.capitalize()} look normal. {side}",
                        f"{k + 1}. {finding.capitalize() if k % 2 else 'No acute abnormality'}.\n2. {side}",
                    )
                    for k, side in enumerate((*_SIDES, *_SIDES))
                ],
            )
    sizes = (8, 9, 11, 12, 7, 10)
    yield (
        "Text_summarization/task78_mimic_ultrasound_summarization.json",
        definition,
        [
            (
                f"The liver is of normal echotexture.\nThe spleen measures {size} cm.\nThere is no hydronephrosis.",
                "Normal ultrasound of the abdomen." if size < 12 else "Splenomegaly, otherwise normal.",
            )
            for size in sizes
        ],
    )
    yield (
        "Text_summarization/task112_mimic_cxr_text_summurization.json",
        definition,
        [
            (
                f"The heart is of normal size. {'There is a small left effusion.' if k % 3 == 0 else 'The lungs are clear.'} "
                f"{k} healed rib fractures are seen.",
                "Small left pleural effusion." if k % 3 == 0 else "No acute cardiopulmonary process.",
            )
            for k in range(6)
        ],
    )


def _outcomes() -> Iterator[_File]:
    names, rows = _VITALS
    stays = ["\n".join(f"{name}: {value}" for name, value in zip(names, row, strict=True)) for row in rows]
    for number, name, what, golds in (
        (117, "mimic4ed_benchmark_hospitalization", "is admitted to the hospital", "TFTTFF"),
        (118, "mimic4ed_72h_ed_revisit_disposition", "comes back within 72 hours", "FFTFFT"),
        (119, "mimic4ed_benchmark_critical_triage", "has a critical outcome", "FFFTFT"),
    ):
        yield (
            f"Clinical_outcome_prediction/task{number}_{name}.json",
            f"Given the data of an emergency stay, say whether the patient {what}. Answer with True or False.",
            [(stay, "True" if gold == "T" else "False") for stay, gold in zip(stays, golds, strict=True)],
        )


def _entailment() -> Iterator[_File]:
    labels = ("Entailment", "Contradiction", "Neutral")
    yield (
        "NLI/task41_test_mednli_textual_entailment_discrimitive.json",
        "Given two sentences, say whether the second follows. Answer with Entailment, Contradiction or Neutral.",
        [
            (f"Sentence1: {premise}\n\nSentence2: {hypothesis}.", label)
            for premise, *hypotheses in _PAIRS
            for hypothesis, label in zip(hypotheses, labels, strict=True)
        ],
    )
    yield (
        "NLI/task42_test_mednli_textual_entailment_generative.json",
        "Given a sentence, write a sentence that follows from it.",
        [(premise.capitalize(), f"{hypothesis}.") for premise, *hypotheses in _PAIRS for hypothesis in hypotheses],
    )


def _treatment() -> _File:
    rows = [(52, "IIA", 0), (67, "IB", 1), (44, "IIIC", 2), (71, "IA", 0), (39, "IIB", 0), (88, "IV", 3)]
    return (
        "Treatment_planning/task131_SEER_text_classification_test.json",
        f"Given the data of a patient, name the treatment: one of {'; '.join(TREATMENTS)}.",
        [
            (f"Age: {age}\n\nStage: {stage}\n\nLaterality: left\n\nSex: female", f"The treatment planning is: {TREATMENTS[k]}")
            for age, stage, k in rows
        ],
    )


def _diagnosis() -> _File:
    rows = [
        (24, "M", "cough with sputum; a cold two weeks ago; sore chest on coughing", "Bronchitis"),
        (61, "F", "tight chest on climbing stairs, gone at rest", "Stable angina"),
        (66, "M", "tight chest at rest since this morning", "Unstable angina"),
        (33, "F", "rash of the cheeks; aching joints; tired", "SLE"),
        (47, "M", "cough with sputum; fever last week", "Bronchitis"),
        (19, "F", "wheezing after running; hay fever", "Bronchospasm / acute asthma exacerbation"),
    ]
    return (
        "Diagnosis/task130_DDXPlus_text_classification_test.json",
        f"Given age, sex and evidences, name the diagnosis: one of {', '.join(sorted({row[3] for row in rows}))}.",
        [(f"Age: {age}\nSex: {sex}\nEvidences: {what}.", f"The diagnosis result is {gold}.") for age, sex, what, gold in rows],
    )
