/** A label set being made: its classes and their first examples. */

export interface DraftClass {
  title: string;
  examples: readonly number[];
}

export interface Draft {
  title: string;
  classes: readonly DraftClass[];
  /** The cell type that it is asked of; all cells where none is named. */
  askedOf?: string | undefined;
}

export const EMPTY: Draft = {
  title: "",
  classes: [
    { title: "", examples: [] },
    { title: "", examples: [] },
  ],
};

/** Fewest examples of a class from which the model reads anything. */
export const FEWEST = 1;
/** From here on the score is worth looking at. */
export const GOOD = 5;

export function renamed(draft: Draft, index: number, title: string): Draft {
  return { ...draft, classes: draft.classes.map((each, place) => (place === index ? { ...each, title } : each)) };
}

export function withClass(draft: Draft): Draft {
  return { ...draft, classes: [...draft.classes, { title: "", examples: [] }] };
}

export function withoutClass(draft: Draft, index: number): Draft {
  return { ...draft, classes: draft.classes.filter((_, place) => place !== index) };
}

/** Put examples into a class; a cell is an example of one class only, so it leaves any other. */
export function exemplified(draft: Draft, index: number, images: Iterable<number>): Draft {
  const given = [...new Set(images)];
  return {
    ...draft,
    classes: draft.classes.map((each, place) => {
      const others = each.examples.filter((image) => !given.includes(image));
      return { ...each, examples: place === index ? [...others, ...given] : others };
    }),
  };
}

export function withoutExample(draft: Draft, image: number): Draft {
  return {
    ...draft,
    classes: draft.classes.map((each) => ({ ...each, examples: each.examples.filter((other) => other !== image) })),
  };
}

/** A title as a name: small letters, digits and underscores. */
export function nameOf(title: string): string {
  return title
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
}

/** What is still missing, in words; empty when the set can be made. */
export function missing(draft: Draft): string[] {
  const said: string[] = [];
  if (!nameOf(draft.title)) said.push("a name for the set");
  const names = draft.classes.map(({ title }) => nameOf(title));
  if (draft.classes.length < 2) said.push("at least two classes");
  if (names.some((name) => !name)) said.push("a name for each class");
  else if (new Set(names).size < names.length) said.push("different names for the classes");
  const bare = draft.classes.filter(({ examples }) => examples.length < FEWEST);
  if (bare.length) said.push(bare.length === 1 ? "an example of one class" : `examples of ${bare.length} classes`);
  return said;
}

/** What the service is asked to make. */
export function requestOf(draft: Draft) {
  return {
    name: nameOf(draft.title),
    title: draft.title.trim(),
    ...(draft.askedOf ? { asked_of: draft.askedOf } : {}),
    classes: draft.classes.map(({ title }) => ({ name: nameOf(title), title: title.trim() })),
    examples: draft.classes.flatMap(({ title, examples }) =>
      examples.map((image) => ({ image, label: nameOf(title) })),
    ),
  };
}
