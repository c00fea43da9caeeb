/** What the service says, under the names that the page uses. The shapes are generated: see schema.d.ts. */

import type * as Shapes from "./schema";

/** How a type is marked: its letter is the key that gives this label at the desk. */
export type Mark = Shapes.ClassShown;
export type User = Shapes.UserShown;
export type Session = Shapes.SessionShown;
export type Project = Shapes.ProjectShown;
export type ProjectListed = Shapes.ProjectListed;
export type Role = Project["role"];
export type Case = Shapes.CaseShown;
export type Member = Shapes.MemberShown;
/** What the service refused; a fault of the line has no more than a code and a message. */
export type Fault = Pick<Shapes.Fault, "code" | "message"> & Partial<Shapes.Fault>;
export type LabelAnswer = Shapes.LabelAnswer;
export type LabelRequest = Shapes.NewLabels;
export type LabelSet = Shapes.LabelSetShown;
export type Neighbour = Shapes.Neighbour;
export type ImageDetail = Shapes.ImageShown;
export type Drawn = Shapes.Drawn;

/** A page of a list. */
export interface List<T> {
  items: T[];
  next: string | number | null;
}
