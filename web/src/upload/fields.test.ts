import { expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { FieldFound } from "../api/schema";
import { added, type FieldsSent, fieldWords, sendFields } from "./fields";

const NONE: FieldsSent = { done: 0, of: 3, cells: 0, marked: 0, unfair: 0, again: 0, unplaced: 0, refused: [] };
const FOUND: FieldFound = {
  name: "a.jpg",
  cells: 4,
  marked: 1,
  red_cell_px: 77,
  scale_from: "red cells",
  images: [1, 2, 3, 4],
  field: 7,
  fair: true,
  fairness: "Fair to count in: red cells cover 55% of it and it is in focus.",
  known: false,
  seen_again: 0,
  placed: false,
  same_place: false,
  reason: null,
};

test("fields add up, and those that were refused are named", () => {
  const torn = { ...FOUND, name: "torn.jpg", cells: 0, marked: 0, images: [], reason: "damaged" };
  const sent = [FOUND, torn].reduce(added, NONE);
  expect(fieldWords(sent)).toBe("2 of 3 fields searched: 4 white cells, 1 of them hard to count");
  expect(sent.refused).toEqual([{ name: "torn.jpg", reason: "damaged" }]);
});

test("fields in which counting is not fair are told", () => {
  const sent = added(NONE, { ...FOUND, fair: false });
  expect(fieldWords(sent)).toBe(
    "1 of 3 fields searched: 4 white cells, 1 of them hard to count; 1 field not fair to count in",
  );
});

test("what overlaps is told, and that it is not known", () => {
  const placed = { ...FOUND, placed: true, seen_again: 2 };
  expect(fieldWords([FOUND, placed].reduce(added, NONE))).toContain("; 2 more that an overlapping field counts");
  expect(fieldWords([FOUND, placed].reduce(added, NONE))).not.toContain("not known");
  expect(fieldWords([FOUND, FOUND].reduce(added, NONE))).toContain("where 2 fields lie is not known");
});

test("one field without a cell", () => {
  expect(fieldWords({ ...NONE, done: 1, of: 1 })).toBe("1 of 1 field searched: 0 white cells");
});

test("fields are of the case, scanner and depth that were said", async () => {
  const asked: { path: string; body: unknown }[] = [];
  vi.spyOn(api, "POST").mockImplementation(((path: string, { body }: { body: unknown }) => {
    asked.push({ path, body });
    return Promise.resolve({ data: path.endsWith("/uploads") ? { id: 3 } : { items: [FOUND] } });
  }) as unknown as typeof api.POST);
  const given = { case: "F-7", profile: 4, bits: 12 };
  const sent = await sendFields(1, [new File([], "a.tif")], given, () => {});
  expect(asked[0]).toEqual({ path: "/projects/{project}/uploads", body: given });
  expect(sent).toMatchObject({ done: 1, cells: 4 });
});
