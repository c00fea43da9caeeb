/** The words of the page, as the glossary has them (docs/reference/glossary.md; tests/service/test_words.py compares the two). */

export const WORDS: { title: string; words: [string, string][] }[] = [
  {
    title: "Cells and cases",
    words: [
      ["crop", "a picture of one white cell, cut from a field of view"],
      ["cell", "what a crop shows; two files with the same content are one cell"],
      ["case", "the cells of one specimen, reviewed and signed as a unit"],
      ["project", "cases, label sets and people who work on them together"],
      ["worklist", "the cases of a project with what there is to do in each: cells to read, to review, to sign"],
      ["upload", "files that came in together for a project: each becomes a cell, or is refused with its reason"],
      ["scanner", "camera and software that made the crops; with the stain it decides how the same cell looks"],
      [
        "scanner profile",
        "a scanner and its stain as a project knows them: name, pixel scale, labels, calibration; every case is of one",
      ],
      ["type", "what kind of cell it is; types form a tree, of which a bundle reads the nine upper ones"],
      ["pixel scale", "the factor that brings a scanner's pixels to the reference scale, measured on red cells"],
      [
        "field",
        "what a camera shows at one place of a film: red cells and some white ones; fair to count in where red cells lie side by side and it is in focus",
      ],
      ["seen again", "of a cell in a field: an overlapping field shows it as well and counts it"],
    ],
  },
  {
    title: "What the model says",
    words: [
      [
        "reading",
        "what the model says of a crop: label, probabilities, novelty, status. A prediction; recomputed at any time, stored nowhere",
      ],
      [
        "novelty",
        "how far a cell lies from the nearest known class (from the nearest labelled cells where these are few); above 1 lies 1% of the cells that it was fitted on",
      ],
      [
        "unfamiliar",
        "the status of a crop that lies beyond what the bundle knows, as crops of another scanner or preparation do: its label is a best guess, its probability is lowered; a folder or case is unfamiliar when at least a fifth of its crops are",
      ],
      ["landscape", "the map of cells in two dimensions; it is fitted once and does not move"],
      ["calibration", "whether cells read with a probability of 0.9 are right nine times in ten"],
      [
        "attribute",
        "a morphological property of a cell, such as the shape of its nucleus; read like a type, from a label set of its own",
      ],
      [
        "check cell",
        "a cell of a case that the desk asks because it was drawn at random, whatever the model thinks of it",
      ],
      [
        "statement of trust",
        "how well the model read cells right before people named them, and its interval on check cells",
      ],
      [
        "unusual",
        "of a cell: its novelty is above 1, as that of 1% of the cells that it was fitted on is; such cells have a bin of their own until somebody labels them",
      ],
      [
        "foreign",
        "of a case: so many of its cells are unfamiliar (one in five) that readings of them cannot be relied on",
      ],
      [
        "held back",
        "of a foreign case: no probabilities of types and attributes are shown, and it is neither signed nor agreed with in bulk",
      ],
      [
        "adapted",
        "of a case: it was foreign, and labels of its scanner's cells have taught the model enough that nothing is held back",
      ],
    ],
  },
  {
    title: "Labels",
    words: [
      ["label set", "a question that is asked of every cell, and the classes that may answer it"],
      ["label", "what a person says a cell is; never changed and never deleted, only followed by another"],
      ["unsure", "a label that says that the person could not decide; left out of percentages and of what is learnt"],
      [
        "tag",
        "a word of a laboratory's own on a cell, shared by the project; it says nothing of what the cell is, and no label hangs on it",
      ],
      [
        "accepted group",
        "cells that got one label together, after a random sample of them was answered one by one; its bound says how many are right at the least",
      ],
      ["view", "how the table is sorted, filtered and laid out, kept under a name; its owner's until it is shared"],
      ["doubt", "a label that a classifier contradicts which learnt every other label"],
      [
        "agreement",
        "how often two people, or a person and the model, say the same, beyond chance (Cohen's kappa; of several readers Fleiss' kappa, Gwet's AC1)",
      ],
      ["queue", "the cells to look at next, each with its reason; a strategy chooses them"],
      [
        "strategy",
        "what a queue looks for: cells read least surely, between two types, unlike one another, unlike anything known, or typical",
      ],
      [
        "search",
        "looking through a case for a rare type: by rank first, then at random, until a bound says how many can be left",
      ],
      ["second look", "labels that look wrong, the surest first: each is said again, or changed"],
      ["forecast", "how many more labels a score would take, by the labels that there are, with its interval"],
      ["panel", "several people who read the same cells blind, so that their consensus can be the reference"],
      ["marked set", "a panel whose cells have a label already, by which those who read it are marked"],
      [
        "consensus",
        "what a cell most probably is by what several readers said of it, each weighed by how they err (Dawid and Skene 1979)",
      ],
    ],
  },
  {
    title: "The report",
    words: [
      [
        "differential",
        "how many cells of each type a case has, and what share of the leukocytes that is, with its 95% interval",
      ],
      [
        "check",
        "what is looked at before a signature, with its number; the signing rules of a project say what follows from it",
      ],
      ["signature", "a person's statement that a case was reviewed; it stands under a record"],
      [
        "record",
        "what was signed, as it was then: differential, checks, specimen, and every cell with its label and reading; never changed",
      ],
      ["initials", "what a signer types with a signature where the project asks for them and not for a password"],
      ["locked", "of a case: signed, and so closed to labels of the cell type"],
      [
        "amendment",
        "a signed case opened for changes, with a reason; signing it again makes the next version of its record",
      ],
      ["counted cells", "of a case: those that its differential counts; all, or so many that were drawn by a seed"],
      [
        "target",
        "how many leukocytes are to be counted: of a case 100, 200 or 400, and what a project asks for before signing",
      ],
    ],
  },
  {
    title: "Validation",
    words: [
      [
        "protocol",
        "what a validation is to show, on which cells, and what would be good enough; written before looking",
      ],
      [
        "reference",
        "what cells are taken to be, in a validation or in a panel, and who said so; a panel's is what was decided, else its consensus",
      ],
      ["dossier", "the page, PDF and tables of a validation, bound by hash to bundle, protocol and cells"],
      [
        "control chart",
        "a measure case by case, in standard deviations from what was usual in the first cases; begun anew after a validation",
      ],
      [
        "flag",
        "a case that breaks a rule of a control chart: it asks for a look at stain, camera and labels, until somebody answers it",
      ],
      ["false alarm rate", "how often a chart flags a case though nothing has changed"],
      ["run length", "after how many cases a chart raises its first flag"],
    ],
  },
  {
    title: "The service",
    words: [
      [
        "token",
        "what a program signs in with in an account's stead; it has scopes, may end on a day, and can be taken back",
      ],
      [
        "scope",
        "what a token may: read; write, which is reviewing; admin, which is settings and members. Each holds those before it",
      ],
      [
        "audit trail",
        "who did what when and from where, row by row; each row's hash holds the one before, and no row can be changed",
      ],
      [
        "seal",
        "the hash of the audit trail up to a row, kept in the database and in the log: what is changed behind it shows",
      ],
      ["retention", "after how many days cases and cells that nobody signed are deleted"],
      ["backup", "a file with everything in the database, restored on trial as soon as it is made"],
    ],
  },
];
