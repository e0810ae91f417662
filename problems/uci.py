"""Ten tables of the UCI repository: a row of numbers and names to its class.

What: small, well-known classification sets (Dua and Graff, UCI Machine Learning Repository), ten tasks that
    share nothing but the form: 4 to 60 columns, 2 to 8 classes, 150 to 1,372 rows.
Splits: the tables have none; a fifth of the rows is dev, by hash of their values, so equal rows are in one split.
Layout: `uci/<file>.csv` below --tmp_dir, without header, the class in the last column, `?` where a value is missing,
    as in the collection at github.com/jbrownlee/Datasets.
Licence: the repository's sets are CC BY 4.0; the collection states none.
Quirks: numbers are standardised by the mean and deviation of the training rows, missing ones are the mean; a name
    is a one-hot vector. In uci_pima 0 stands for unknown in some columns. Two classes of uci_ecoli have two rows each.
"""

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.vector import Vector
from t2t_mm.data.sources.csv_table import CsvTable
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "github.com/jbrownlee/Datasets"


class Table(Problem):
    """Rows of a table to their class."""

    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


@PROBLEMS.register
class UciIris(Table):
    """Iris flowers measured in four ways, to their species."""

    source = CsvTable("uci/iris.csv", columns=4, homepage=HOMEPAGE)
    inputs = Vector("uci_iris", ("sepal_length", "sepal_width", "petal_length", "petal_width"))
    targets = Label(classes="uci_iris", names=("Iris-setosa", "Iris-versicolor", "Iris-virginica"))


@PROBLEMS.register
class UciWine(Table):
    """Wines by thirteen measures, to the grower."""

    source = CsvTable("uci/wine.csv", columns=13, homepage=HOMEPAGE)
    inputs = Vector(
        "uci_wine",
        (
            "alcohol",
            "malic_acid",
            "ash",
            "alcalinity_of_ash",
            "magnesium",
            "total_phenols",
            "flavanoids",
            "nonflavanoid_phenols",
            "proanthocyanins",
            "color_intensity",
            "hue",
            "od280_od315_of_diluted_wines",
            "proline",
        ),
    )
    targets = Label(classes="uci_wine", names=("1", "2", "3"))


@PROBLEMS.register
class UciGlass(Table):
    """Pieces of glass by what they are made of, to their kind."""

    source = CsvTable("uci/glass.csv", columns=9, homepage=HOMEPAGE)
    inputs = Vector("uci_glass", ("RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe"))
    targets = Label(classes="uci_glass", names=("1", "2", "3", "5", "6", "7"))


@PROBLEMS.register
class UciEcoli(Table):
    """Proteins of E. coli by seven measures, to where they work."""

    source = CsvTable("uci/ecoli.csv", columns=7, homepage=HOMEPAGE)
    inputs = Vector("uci_ecoli", ("mcg", "gvh", "lip", "chg", "aac", "alm1", "alm2"))
    targets = Label(classes="uci_ecoli", names=("cp", "im", "imL", "imS", "imU", "om", "omL", "pp"))


@PROBLEMS.register
class UciBanknote(Table):
    """Photographed banknotes by four measures, to genuine or forged."""

    source = CsvTable("uci/banknote_authentication.csv", columns=4, homepage=HOMEPAGE)
    inputs = Vector("uci_banknote", ("variance", "skewness", "curtosis", "entropy"))
    targets = Label(classes="uci_banknote", names=("0", "1"))


@PROBLEMS.register
class UciBreastCancer(Table):
    """Cells by nine grades, to benign (2) or malignant (4)."""

    source = CsvTable("uci/breast-cancer-wisconsin.csv", columns=9, homepage=HOMEPAGE)
    inputs = Vector(
        "uci_breast_cancer",
        (
            "clump_thickness",
            "uniformity_of_cell_size",
            "uniformity_of_cell_shape",
            "marginal_adhesion",
            "single_epithelial_cell_size",
            "bare_nuclei",
            "bland_chromatin",
            "normal_nucleoli",
            "mitoses",
        ),
    )
    targets = Label(classes="uci_breast_cancer", names=("2", "4"))


@PROBLEMS.register
class UciSonar(Table):
    """Sonar echoes in sixty bands, to mine or rock."""

    source = CsvTable("uci/sonar.csv", columns=60, homepage=HOMEPAGE)
    inputs = Vector("uci_sonar", tuple(f"band_{band:02}" for band in range(1, 61)))
    targets = Label(classes="uci_sonar", names=("M", "R"))


@PROBLEMS.register
class UciIonosphere(Table):
    """Radar echoes of the ionosphere, to good or bad."""

    source = CsvTable("uci/ionosphere.csv", columns=34, homepage=HOMEPAGE)
    inputs = Vector(
        "uci_ionosphere", tuple(f"pulse_{pulse:02}_{part}" for pulse in range(1, 18) for part in ("re", "im"))
    )
    targets = Label(classes="uci_ionosphere", names=("b", "g"))


@PROBLEMS.register
class UciPima(Table):
    """Patients by eight measures, to diabetes (1) or none (0)."""

    source = CsvTable("uci/pima-indians-diabetes.csv", columns=8, homepage=HOMEPAGE)
    inputs = Vector(
        "uci_pima",
        (
            "times_pregnant",
            "plasma_glucose",
            "diastolic_blood_pressure",
            "triceps_skin_fold",
            "serum_insulin",
            "body_mass_index",
            "diabetes_pedigree",
            "age",
        ),
    )
    targets = Label(classes="uci_pima", names=("0", "1"))


@PROBLEMS.register
class UciGerman(Table):
    """Borrowers by twenty traits, to good (1) or bad (2)."""

    source = CsvTable("uci/german.csv", columns=20, homepage=HOMEPAGE)
    inputs = Vector(
        "uci_german",
        (
            "checking_account_status",
            "duration_months",
            "credit_history",
            "purpose",
            "credit_amount",
            "savings_account",
            "present_employment_since",
            "installment_rate",
            "personal_status_and_sex",
            "other_debtors",
            "present_residence_since",
            "property",
            "age",
            "other_installment_plans",
            "housing",
            "existing_credits",
            "job",
            "people_liable",
            "telephone",
            "foreign_worker",
        ),
        categories=(
            "checking_account_status",
            "credit_history",
            "purpose",
            "savings_account",
            "present_employment_since",
            "personal_status_and_sex",
            "other_debtors",
            "property",
            "other_installment_plans",
            "housing",
            "job",
            "telephone",
            "foreign_worker",
        ),
    )
    targets = Label(classes="uci_german", names=("1", "2"))
