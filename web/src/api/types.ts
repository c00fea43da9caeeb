/** What the service says, by the names of its contract. */

export interface Mark {
  name: string;
  title: string;
  /** The key that gives this label at the desk, and the letter beside its colour. */
  key: string;
  light: string;
  dark: string;
}

export interface User {
  id: number;
  name: string;
  display: string;
  is_admin: boolean;
  active: boolean;
}

export interface Session {
  user: User | null;
  csrf: string | null;
  first_run: boolean;
  /** False where the service was started without sign-in. */
  login: boolean;
}

export interface List<T> {
  items: T[];
  next: string | number | null;
}

export type Role = "viewer" | "reviewer" | "admin";

export interface Project {
  id: number;
  name: string;
  description: string;
  role: Role;
  images: number;
  read: number;
  labelled: number;
  unsure: number;
  members: number;
  last_review: string | null;
  archived: boolean;
  scale?: number;
  teaching?: boolean;
  teaching_weight?: number;
  second_signer?: boolean;
}

export interface Case {
  id: number;
  key: string;
  note: string | null;
  images: number;
  read: number;
  labelled: number;
  signed: boolean;
}

export interface Member {
  user: User;
  role: Role;
}

export interface Fault {
  code: string;
  message: string;
  expected?: string;
  came?: string;
  mend?: string;
  fields?: { where: string; message: string }[];
}

export interface FactMade {
  image: number;
  version: number;
  label: string | null;
}

export interface Conflict {
  image: number;
  version: number;
  label: string | null;
  by: string | number | null;
  at: string | null;
}

export interface LabelAnswer {
  facts: FactMade[];
  conflicts: Conflict[];
  revision: number;
  undo: number[];
}

export interface LabelItem {
  image: number;
  label: string | null;
  version: number;
}

export interface LabelRequest {
  request: string;
  label_set: string;
  kind: "set" | "agree" | "clear";
  items: LabelItem[];
}

export interface LabelSet {
  id: number;
  name: string;
  title: string;
  kind: "bundle" | "own";
  classes: Mark[];
  labelled: Record<string, number>;
  score: { macro_f1: number; low: number; high: number; n: number; folds: number } | null;
  revision: number;
}

export interface Neighbour {
  image: number | null;
  reference: number | null;
  label: string | null;
  distance: number;
}

export interface Fact {
  id: number;
  image: number;
  label_set: string;
  label: string | null;
  user: number | null;
  at: string;
  kind: "set" | "agree" | "undo" | "clear";
  undoes: number | null;
  predicted: string | null;
  probability: number | null;
}

export interface Comment {
  id: number;
  user: number | null;
  name: string;
  at: string;
  text: string;
}

export interface ImageDetail {
  id: number;
  name: string;
  case: string | number | null;
  uploaded_at: string;
  status: string;
  label: string | null;
  predicted: string | null;
  probability: number | null;
  novelty: number | null;
  version: number;
  width: number;
  height: number;
  x: number | null;
  y: number | null;
  sets: Record<
    string,
    {
      label: string | null;
      version: number;
      predicted: string | null;
      probabilities: Record<string, number> | null;
      revision: number;
    }
  >;
  comments: Comment[];
  history: Fact[];
}
