import { expect, test } from "vitest";
import type { BundleChange } from "../api/schema";
import { bundleName, changes } from "./bundle";

const change: BundleChange = {
  here: false,
  project: { name: "lite0", version: "0.3.0", identity: "aaaaaaaaaaaa" },
  service: { name: "lite0", version: "0.4.0", identity: "bbbbbbbbbbbb" },
  cells: 1200,
  to_read: 1200,
  labelled: 1,
  signed: 12,
  panels: 0,
  new_sets: ["nucleus_shape"],
  new_classes: [{ label_set: "Cell type", classes: ["Promyelocyte", "Band"] }],
  again: [],
  unread_sets: [],
  unread_classes: [],
  own_sets: [],
};

test("two bundles of one name and version are told apart by their sha256", () => {
  expect(bundleName(change.project, change.service)).toBe("lite0 0.3.0");
  const rebuilt = { ...change.service, version: "0.3.0" };
  expect(bundleName(change.project, rebuilt)).toBe("lite0 0.3.0 (aaaaaaaa)");
  expect(bundleName(rebuilt, change.project)).toBe("lite0 0.3.0 (bbbbbbbb)");
});

test("what is read anew, what stays and what is new is said, and nothing of what there is not", () => {
  const said = changes(change);
  expect(said[0]).toMatch(/^1,200 cells are read anew/);
  expect(said[1]).toBe("1 labelled cell keeps its label, and the labels teach lite0 0.4.0.");
  expect(said[2]).toMatch(/^12 signed cases keep their records, to the byte/);
  expect(said).toContain("New label sets: Nucleus shape.");
  expect(said).toContain("New types: Cell type: Promyelocyte, Band.");
  expect(said.join(" ")).toContain("Statements of trust begin anew");
  expect(said.join(" ")).not.toMatch(/panel|does not read|In use again/);
});

test("on the way back nothing is read anew", () => {
  expect(changes({ ...change, to_read: 0 })[0]).toMatch(/^1,200 cells have been read by lite0 0.4.0 before/);
  expect(changes({ ...change, cells: 0, to_read: 0 })[0]).not.toMatch(/cells/);
});

test("what only the bundle before read stays as one's own", () => {
  const said = changes({
    ...change,
    unread_classes: [{ label_set: "Cell type", classes: ["Basophil"] }],
    unread_sets: ["granularity"],
    panels: 2,
  });
  expect(said.join(" ")).toMatch(/does not read Cell type: Basophil\. They stay as types of your own/);
  expect(said.join(" ")).toMatch(/does not read Granularity\./);
  expect(said.join(" ")).toMatch(/2 open panels go on/);
});
