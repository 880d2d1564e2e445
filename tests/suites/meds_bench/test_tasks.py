"""MedS-Bench's catalogue against the specification's table of tasks, line by line, and its prompts against the released ones."""

from __future__ import annotations

import pytest

from ehrbench.readers.item import Item
from ehrbench.runs.fewshot import draw_examples
from ehrbench.tasks.catalog import Catalog, load_catalog
from ehrbench.tasks.prompts import render
from ehrbench.tasks.schema import TaskSpec
from ehrbench.tasks.slots import prompt_slots

# number, task, folder, file, language, n full, n eval, file status (listed, third party, inferred)
TABLE = """
1    mcqa.medqa            MCQA task57_medqa_question_answering_en.jsonl     en 1273 1273 L
-    mcqa.medqa_zh         MCQA task58_medqa_question_answering_zh.jsonl     zh 3426 3426 L
2    mcqa.igakuqa          MCQA task59_igakuqa_question_answering.jsonl      ja 199  199  L
3    mcqa.frenchmedmcqa    MCQA task60_frenchmedmcqa_question_answering.jsonl fr 622 622  L
4    mcqa.rumedbench       MCQA task61_rumedbench_question_answering.jsonl   ru 256  256  L
5    mcqa.medmcqa          MCQA task122_medmcqa_test_set.json                en 4183 4183 L
6    mcqa.pubmedqa         MCQA task123_pubmedqa_test_set.json               en 1000 1000 L
7    mcqa.headqa           MCQA task129_headqa_question_answering.jsonl      es 2742 2742 L
8    text_summarization.medqsum    Text_summarization task114_medqsum_text_summurization.json   en ? 100 I
9    text_summarization.rct        Text_summarization task110_rct_text_summurization.json       en ? 100 T
10   text_summarization.mimic_cxr  Text_summarization task112_mimic_cxr_text_summurization.json en ? 100 I
11   text_summarization.ultrasound Text_summarization task78_mimic_ultrasound_summarization.json en ? ? I
12   text_summarization.ct.chest          Text_summarization task83_mimic_ct_chest_summarization.json         en ? ? I
13   text_summarization.ct.head_and_neck  Text_summarization task84_mimic_ct_head_and_neck_summarization.json en ? ? I
14   text_summarization.ct.brain          Text_summarization task85_mimic_ct_brain_summarization.json         en ? ? I
15   text_summarization.ct.abdomen        Text_summarization task86_mimic_ct_abdomen_summarization.json       en ? ? I
16   text_summarization.ct.pelvis         Text_summarization task87_mimic_ct_pelvis_summarization.json        en ? ? I
17   text_summarization.ct.spine          Text_summarization task88_mimic_ct_spine_summarization.json         en ? ? L
18   text_summarization.mri.chest         Text_summarization task89_mimic_mri_chest_summarization.json        en ? ? I
19   text_summarization.mri.head_and_neck Text_summarization task90_mimic_mri_head_and_neck_summarization.json en ? ? L
20   text_summarization.mri.brain         Text_summarization task91_mimic_mri_brain_summarization.json        en ? ? I
21   text_summarization.mri.abdomen       Text_summarization task92_mimic_mri_abdomen_summarization.json      en ? ? I
22   text_summarization.mri.pelvis        Text_summarization task93_mimic_mri_pelvis_summarization.json       en ? ? I
23   text_summarization.mri.spine         Text_summarization task94_mimic_mri_spine_summarization.json        en ? ? I
24   information_extraction.participant   Information_extraction task1_participant_extraction.json  en 43 43 L
25   information_extraction.intervention  Information_extraction task2_intervention_extraction.json en 43 43 L
26   information_extraction.outcome       Information_extraction task3_outcome_extraction.json      en 43 43 L
27   information_extraction.drug_dose     Information_extraction task29_drug_dose_extraction.json   en 23 23 L
28   information_extraction.basic_information Information_extraction \
task74_pmc_patient_case_report_basic_information_extraction.json en 16704 1500 L
29   explanation.health_fact      Explanation task18_test_healthfact_sentence_generation.json en 1235 1235 L
30   explanation.disease_ontology Explanation task46_do_entity_explanation.json               en 1115 1115 L
31   explanation.biolord          Explanation task50_biolord_explanation.json                 en 1000 1000 L
32   rationale.chinese  Rationale task51_mmedbench_explanation_chinese_test_only.jsonl  zh 200 200 T
33   rationale.english  Rationale task52_mmedbench_explanation_english_test_only.jsonl  en 195 195 T
34   rationale.french   Rationale task53_mmedbench_explanation_french_test_only.jsonl   fr 189 189 T
35   rationale.japanese Rationale task54_mmedbench_explanation_japanese_test_only.jsonl ja 190 190 T
36   rationale.russian  Rationale task55_mmedbench_explanation_russian_test_only.jsonl  ru 173 173 T
37   rationale.spanish  Rationale task56_mmedbench_explanation_spanish_test_only.jsonl  es 189 189 T
38   ner.bc4chem    NER task125_test_bc4chem_named_enetity_recognition.json    en 26364 1500 L
39   ner.bc5chem    NER task126_test_bc5chem_named_enetity_recognition.json    en 4797  1500 L
40   ner.bc5disease NER task127_test_bc5disease_named_enetity_recognition.json en 4797  1500 L
41   ner.species800 NER task128_test_species800_named_enetity_recognition.json en 1630  1500 L
42   diagnosis.ddxplus Diagnosis task130_DDXPlus_text_classification_test.json en 134529 1500 T
43   treatment_planning.seer Treatment_planning task131_SEER_text_classification_test.json en 3535 1500 L
44   clinical_outcome_prediction.hospitalization Clinical_outcome_prediction \
task117_mimic4ed_benchmark_hospitalization.json en 1500 1500 L
45   clinical_outcome_prediction.ed_revisit_72h Clinical_outcome_prediction \
task118_mimic4ed_72h_ed_revisit_disposition.json en 1500 1500 L
46   clinical_outcome_prediction.critical_triage Clinical_outcome_prediction \
task119_mimic4ed_benchmark_critical_triage.json en 1500 1500 L
47   text_classification.hoc Text_classification task106_hoc_text_classification.json en 158 158 T
48   fact_verification.pubmedqa    Fact_verication task12_pubmedqa_classification.json         en 650  650  L
49   fact_verification.health_fact Fact_verication task16_test_healthfact_classification.json  en 1188 1188 L
50   fact_verification.ebms        Fact_verication task100_ebms_answer_vertification.json      en 304  304  L
51   nli.mednli_discriminative NLI task41_test_mednli_textual_entailment_discrimitive.json en 1422 1422 L
52   nli.mednli_generative     NLI task42_test_mednli_textual_entailment_generative.json   en 1422 1422 L
"""
STATUS = {"L": "listed", "T": "third_party", "I": "inferred"}
CREDENTIALED = {
    *(f"text_summarization.{name}" for name in ("mimic_cxr", "ultrasound")),
    *(
        f"text_summarization.{m}.{p}"
        for m in ("ct", "mri")
        for p in ("chest", "head_and_neck", "brain", "abdomen", "pelvis", "spine")
    ),
    *(f"clinical_outcome_prediction.{name}" for name in ("hospitalization", "ed_revisit_72h", "critical_triage")),
    *("treatment_planning.seer", "nli.mednli_discriminative", "nli.mednli_generative"),
}
LINES = [line.split() for line in TABLE.strip().splitlines()]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_there_are_53_tasks_and_no_other(catalog: Catalog) -> None:
    assert len(LINES) == 53
    assert sorted(catalog.groups()["meds_bench"]) == sorted(f"meds_bench.{line[1]}" for line in LINES)
    open_ones = sorted(f"meds_bench.{line[1]}" for line in LINES if line[1] not in CREDENTIALED)
    assert sorted(catalog.groups()["meds_bench_open"]) == open_ones


@pytest.mark.parametrize("line", LINES, ids=[line[1] for line in LINES])
def test_line_of_the_table(catalog: Catalog, line: list[str]) -> None:
    number, name, folder, file, language, n_full, n_eval, status = line
    clean, paper = catalog.get(f"meds_bench.{name}", "clean"), catalog.get(f"meds_bench.{name}", "paper")
    facts = paper.facts
    assert facts["number"] == (None if number == "-" else int(number))
    assert (paper.data.options["folder"], paper.data.options["file"]) == (folder, file)
    assert paper.language == clean.language == language
    assert facts["n_full"] == ("unknown" if n_full == "?" else int(n_full))
    assert facts["n_eval"] == ("at most 100" if n_eval == "?" else int(n_eval))
    assert paper.expected_items == (None if n_eval == "?" else int(n_eval))
    assert facts["file_status"] == STATUS[status]
    shots = 0 if folder == "MCQA" else 3
    assert facts["shots"] == paper.fewshot.k == clean.fewshot.k == shots
    assert (paper.fewshot.leaky, clean.fewshot.leaky) == (True, False)
    assert (paper.references, clean.references) == ("first", "all")
    assert paper.answer == ("strip_thinking",)
    assert clean.data.policy == paper.data.policy == ("credentialed" if name in CREDENTIALED else "open")
    assert all(facts.get(key) for key in ("dataset", "paper_task", "category"))
    assert clean.data.source


@pytest.mark.parametrize(
    ("name", "paper", "clean"),
    [
        ("mcqa.headqa", ["mcqa_first_letter"], ["choice_accuracy"]),
        ("mcqa.pubmedqa", ["mcqa_first_letter_yes_no"], ["yes_no_maybe_accuracy"]),
        ("text_summarization.ct.spine", ["bleu_1", "rouge_l_set"], ["bleu_1", "rouge_l_set", "rouge_1", "rouge_l"]),
        ("information_extraction.participant", ["ie_containment"], ["ie_accuracy", "token_f1"]),
        (
            "explanation.biolord",
            ["bleu_1_explanation", "rouge_l_set_explanation"],
            ["bleu_1", "rouge_l_set", "rouge_1", "rouge_l"],
        ),
        (
            "rationale.japanese",
            ["bleu_1_rationale_ja", "rouge_l_set_rationale_ja"],
            ["bleu_1_ja", "rouge_l_set_ja", "rouge_1_ja", "rouge_l_ja"],
        ),
        (
            "rationale.russian",
            ["bleu_1_rationale", "rouge_l_set_rationale"],
            ["bleu_1_words", "rouge_l_set", "rouge_1_words", "rouge_l_words"],
        ),
        ("ner.species800", ["ner_f1_cut"], ["ner_f1", "ner_precision", "ner_recall"]),
        ("diagnosis.ddxplus", ["diagnosis_containment"], ["diagnosis_accuracy", "diagnosis_ambiguous"]),
        ("treatment_planning.seer", ["treatment_containment"], ["treatment_accuracy", "treatment_ambiguous"]),
        (
            "clinical_outcome_prediction.critical_triage",
            ["outcome_true_false"],
            ["outcome_accuracy", "outcome_balanced_accuracy", "outcome_f1"],
        ),
        (
            "text_classification.hoc",
            ["hoc_macro_f1", "hoc_macro_precision", "hoc_macro_recall"],
            ["hoc_f1", "hoc_precision", "hoc_recall"],
        ),
        ("fact_verification.pubmedqa", ["fact_containment"], ["yes_no_maybe_accuracy"]),
        (
            "fact_verification.health_fact",
            ["fact_containment"],
            ["fact_accuracy", "fact_ambiguous", "fact_balanced_accuracy"],
        ),
        (
            "fact_verification.ebms",
            ["bleu_1_ebms", "rouge_l_set_ebms"],
            ["bleu_1_lower", "rouge_l_set_lower", "rouge_1", "rouge_l"],
        ),
        ("nli.mednli_discriminative", ["nli_containment"], ["nli_accuracy", "nli_ambiguous", "nli_balanced_accuracy"]),
        ("nli.mednli_generative", ["bleu_1", "rouge_l_set"], ["bleu_1", "rouge_l_set", "rouge_1", "rouge_l"]),
    ],
)
def test_metrics_of_each_category(catalog: Catalog, name: str, paper: list[str], clean: list[str]) -> None:
    assert list(catalog.get(f"meds_bench.{name}", "paper").metrics) == paper
    spec = catalog.get(f"meds_bench.{name}")
    assert list(spec.metrics) == clean
    assert spec.primary == clean[0]


def test_caveats_stand_with_the_tasks_that_need_them(catalog: Catalog) -> None:
    for protocol in ("clean", "paper"):

        def facts(name: str, protocol: str = protocol) -> TaskSpec:
            return catalog.get(f"meds_bench.{name}", "paper" if protocol == "paper" else "clean")

        assert facts("treatment_planning.seer").facts["leaky"] is True
        assert facts("fact_verification.pubmedqa").facts["constant_gold"] == "no"
        assert facts("fact_verification.health_fact").facts["majority_share"] == 0.504
        assert facts("mcqa.pubmedqa").facts["majority_share"] == 0.552
        for name in ("participant", "intervention", "outcome", "drug_dose"):
            assert facts(f"information_extraction.{name}").facts["multi_gold"] is True
        for name in ("treatment_planning.seer", "fact_verification.pubmedqa", "fact_verification.health_fact", "mcqa.pubmedqa"):
            assert facts(name).caveats


def test_clean_keeps_the_entailments_of_the_generative_task(catalog: Catalog) -> None:
    clean, paper = (catalog.get("meds_bench.nli.mednli_generative", p) for p in ("clean", "paper"))
    assert (clean.data.options["label"], clean.expected_items) == ("Entailment", 474)
    assert (paper.data.options["label"], paper.expected_items) == (None, 1422)


ITEMS = [Item(id=str(i), question=f"x{i}", references=(f"y{i}",), slots={"definition": "Do it. "}) for i in range(1, 5)]


def prompt(spec: TaskSpec, k: int, variant: str = "default") -> list[tuple[str, str]]:
    examples = [{"input": item.question, "output": item.references[0]} for item in ITEMS[1 : k + 1]]
    chosen = spec.prompt if variant == "default" else spec.variants[variant]
    return [tuple(message) for message in render(chosen, prompt_slots(ITEMS[0], examples))]


def test_prompts_are_those_of_the_authors_code(catalog: Catalog) -> None:
    spec = catalog.get("meds_bench.ner.bc4chem")
    shots = "".join(f"Input:\nx{i}\n\nOutput:\ny{i}\n\n\n" for i in (2, 3, 4))
    learn = "Please learn from the few-shot cases to see what content you have to "
    assert prompt(spec, 3) == [("system", f"{shots}Do it. {learn}output."), ("user", "Input:\nx1\nOutput:\n")]
    assert prompt(spec, 3, "ouput") == [("system", f"{shots}Do it. {learn}ouput."), ("user", "Input:\nx1\nOutput:\n")]
    assert prompt(catalog.get("meds_bench.mcqa.medqa"), 0) == [("system", "Do it. "), ("user", "x1")]


def test_examples_leave_the_query_out_in_clean_only(catalog: Catalog) -> None:
    for protocol, leaks in (("clean", False), ("paper", True)):
        spec = catalog.get("meds_bench.ner.bc4chem", "paper" if protocol == "paper" else "clean")
        own = 0
        for seed in range(20):
            drawn = draw_examples(ITEMS, ITEMS[0], spec.fewshot, spec.task, seed)
            assert len(drawn) == 3
            own += any(example["input"] == "x1" for example in drawn)
        assert bool(own) is leaks
