/** What each tab is for, in the order in which one meets them. */

export const WAY: readonly { title: string; text: string }[] = [
  {
    title: "Upload",
    text: "Drop a folder of cell crops, or a zip, onto a project. Cells are read while you look at the first.",
  },
  {
    title: "Cases",
    text: "The worklist: every case with its specimen, its scanner and what there is to do in it. A click opens one, and the other tabs then show that case alone.",
  },
  {
    title: "Fields",
    text: "Whole fields of a camera: white cells are found in them. Add what the search missed, take out what is no cell, and see where counting is fair. The tab is there once a field is.",
  },
  {
    title: "Review",
    text: "Cells lie in a bin for each type, the least certain first. Press a type's letter to relabel what is selected, Enter to agree. A crop without a frame was read by the model; a solid frame is a person's label.",
  },
  {
    title: "Others follow",
    text: "After each label the model reads the rest again. A quiet line says which cells moved; undo takes it back. What a person labelled never moves by itself.",
  },
  {
    title: "Landscape",
    text: "Cells that look alike lie together, yours among the reference. Draw a line around some to select them here and in the gallery.",
  },
  {
    title: "Next",
    text: "One cell at a time, those first from which the model learns most, with the learning curve beside it.",
  },
  {
    title: "Search",
    text: "One rare type is looked for in a case, with two keys, until a bound says how many cells of it can be left.",
  },
  {
    title: "Second look",
    text: "Labels that all other labels contradict, and what people wrote under cells. Reviews says who labelled what, and what others made of it.",
  },
  {
    title: "Library",
    text: "Cells that show their type well, two clicks from the cell. Beside each cell lie the nearest of those that were signed.",
  },
  {
    title: "Label sets",
    text: "Ask a question of your own, such as vacuoles or no vacuoles, with a few examples; all cells are read by it at once.",
  },
  {
    title: "Panels",
    text: "Several people read the same cells blind. What they agree on, and where they part, is shown when the panel is closed.",
  },
  {
    title: "Counter",
    text: "Counts by key beside the microscope, with a sound if you like, and stops at 100 or 200. It labels nothing.",
  },
  {
    title: "Report",
    text: "The differential before and after review, with intervals. Sign a case, print it on one page, export it. A signed case is locked; an amendment, with a reason, makes a new version.",
  },
  {
    title: "Validation",
    text: "Whether the model is good enough here: a dossier compares it with signed cells by a protocol that was written before. Whether it still is: control charts of every scanner, a point for each signed case.",
  },
  {
    title: "Settings",
    text: "For a project's administrators: members, scanners, what is checked before signing, reports, and which names are kept.",
  },
];
