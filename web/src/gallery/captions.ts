/** Words on a crop, which is small: a name as long as there is room for it. */

/** Of the caption's letters (gallery.scss), pixels. */
const LETTER = 6.6;
const LINE = 15.4;
const SIDES = 12;
/** The reading beneath: "read M >99%". */
const READING = 11;
/** What of several lines is filled, since words are not broken. */
const FILLED = 0.6;

/** How many letters of a name a crop has room for, above the reading. */
export function roomFor(size: number): number {
  const wide = Math.max(1, Math.floor((size - SIDES) / LETTER));
  const lines = Math.floor((size - 3) / LINE) - Math.ceil(READING / wide);
  return lines <= 1 ? wide : Math.floor(lines * wide * FILLED);
}

/** A person's name in so many letters: whole, with first names as initials, or initials alone. */
export function briefly(name: string, room: number): string {
  if (name.length <= room) return name;
  const words = name.split(/\s+/).filter(Boolean);
  const last = words.pop() ?? "";
  const short = [...words.map((word) => `${[...word][0]}.`), last].join(" ");
  if (short.length <= room) return short;
  return [...words, ...last.split("-")].map((word) => [...word][0] ?? "").join("");
}

/** What a cell is called by ear: all that its place, its frame and its caption tell the eye. */
export function nameOfCell(cell: {
  image: number;
  /** Title of the bin that it lies in. */
  bin: string;
  /** Title of the type that the model reads, where it has read one. */
  reading: string | undefined;
  /** How sure the model is; empty where that is not shown. */
  certainty: string;
  /** Who labelled it, where somebody did. */
  whose: string | undefined;
  unusual: boolean;
  outside: boolean;
  tags: readonly string[] | undefined;
}): string {
  const { bin, reading, certainty, whose } = cell;
  const read = `read by model${reading && reading !== bin ? ` as ${reading}` : ""}`;
  return [
    `Cell ${cell.image}`,
    bin,
    whose !== undefined && `labelled, ${whose}`,
    // A label stands for itself; another reading beside it is news.
    reading ? (whose === undefined || reading !== bin) && read : whose === undefined && "not read",
    reading && whose === undefined && certainty,
    cell.unusual && bin !== "Unusual" && "unusual",
    cell.outside && "not among the counted cells",
    cell.tags && `tagged ${cell.tags.join(", ")}`,
  ]
    .filter(Boolean)
    .join(", ");
}
