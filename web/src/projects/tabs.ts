/** The tabs of a project, in the order of the bar; the help says of each what it is for. */

export interface Tab {
  /** A route below `/projects/:project`. */
  to: string;
  title: string;
}

/** What every project has. */
export const TABS: readonly Tab[] = [
  { to: "cases", title: "Cases" },
  { to: "", title: "Review" },
  { to: "map", title: "Landscape" },
  { to: "next", title: "Next" },
  { to: "search", title: "Search" },
  { to: "look", title: "Second look" },
  { to: "library", title: "Library" },
  { to: "label-sets", title: "Label sets" },
  { to: "report", title: "Report" },
  { to: "panels", title: "Panels" },
  { to: "validation", title: "Validation" },
  { to: "counter", title: "Counter" },
];

/** Of projects with fields of a camera. */
export const FIELDS: Tab = { to: "fields", title: "Fields" };

/** Behind a link of the second look, and no tab. */
export const REVIEWS: Tab = { to: "reviews", title: "Reviews" };

/** For a project's administrators. */
export const SETTINGS: Tab = { to: "settings", title: "Settings" };
