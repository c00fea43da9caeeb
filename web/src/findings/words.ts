/** What is graded on a film, as `hemosight.blood.morphology` has it; a test compares the two. */

import type { Findings } from "../api/schema";

export type Grade = Findings["grades"][string];
export type Estimate = NonNullable<Findings["platelets"]>;

export const RED_CELLS: Record<string, string> = {
  anisocytosis: "Anisocytosis",
  microcytes: "Microcytes",
  macrocytes: "Macrocytes",
  hypochromia: "Hypochromia",
  polychromasia: "Polychromasia",
  poikilocytosis: "Poikilocytosis",
  schistocytes: "Schistocytes",
  spherocytes: "Spherocytes",
  elliptocytes: "Elliptocytes",
  ovalocytes: "Ovalocytes",
  dacrocytes: "Teardrop cells",
  target_cells: "Target cells",
  stomatocytes: "Stomatocytes",
  acanthocytes: "Acanthocytes",
  burr_cells: "Burr cells",
  sickle_cells: "Sickle cells",
  bite_cells: "Bite cells",
  rouleaux: "Rouleaux",
  basophilic_stippling: "Basophilic stippling",
  howell_jolly_bodies: "Howell-Jolly bodies",
  pappenheimer_bodies: "Pappenheimer bodies",
};

export const PLATELETS: Record<string, string> = {
  large_platelets: "Large platelets",
  giant_platelets: "Giant platelets",
  platelet_clumps: "Platelet clumps",
};

export const GRADES: Record<Grade, string> = {
  "0": "not seen",
  "+": "slight",
  "++": "moderate",
  "+++": "marked",
};

export const ESTIMATES: Record<Estimate, string> = {
  decreased: "decreased",
  adequate: "adequate",
  increased: "increased",
  not_assessable: "cannot be estimated",
};

/** Findings with a change made, as the service will make it; the version is the service's to count. */
export function changed(
  now: Findings,
  {
    add = [],
    remove = [],
    over: _,
    ...fields
  }: Partial<Findings> & { add?: number[]; remove?: number[]; over?: string },
): Findings {
  const cells = [...new Set([...now.cells, ...add])].filter((cell) => !remove.includes(cell));
  return { ...now, ...fields, cells };
}

/** Grades with one changed; null takes it away. */
export function withGrade(grades: Findings["grades"], name: string, grade: Grade | null): Findings["grades"] {
  const { [name]: _, ...rest } = grades;
  return grade === null ? rest : { ...rest, [name]: grade };
}

/** Grades in which every red cell finding that has none is 0. */
export function restNotSeen(grades: Findings["grades"]): Findings["grades"] {
  const none = Object.fromEntries(Object.keys(RED_CELLS).map((name) => [name, "0" as const]));
  return { ...none, ...grades };
}

/** A remark with a text block put behind it, on a line of its own. */
export function withBlock(remark: string, text: string): string {
  const before = remark.trimEnd();
  return before ? `${before}\n${text}` : text;
}
