// @vitest-environment node
import { expect, test } from "vitest";
import { changed, RED_CELLS, restNotSeen, withBlock, withGrade } from "./words";

test("a grade is set, changed and taken away", () => {
  expect(withGrade({}, "schistocytes", "+")).toEqual({ schistocytes: "+" });
  expect(withGrade({ schistocytes: "+", rouleaux: "0" }, "schistocytes", "++")).toEqual({
    schistocytes: "++",
    rouleaux: "0",
  });
  expect(withGrade({ schistocytes: "+" }, "schistocytes", null)).toEqual({});
});

test("a change shows at once what the service will make of it", () => {
  const now = { remark: "", grades: {}, platelets: null, cells: [4, 7], version: 2 };
  expect(changed(now, { add: [9, 4] }).cells).toEqual([4, 7, 9]);
  expect(changed(now, { remove: [4] }).cells).toEqual([7]);
  expect(changed(now, { platelets: "adequate" })).toEqual({ ...now, platelets: "adequate" });
});

test("the rest not seen leaves what was graded, and says nothing of platelets", () => {
  const all = restNotSeen({ polychromasia: "++", platelet_clumps: "+" });
  expect(all.polychromasia).toBe("++");
  expect(all.schistocytes).toBe("0");
  expect(all.platelet_clumps).toBe("+");
  expect(all.giant_platelets).toBeUndefined();
  expect(Object.keys(all)).toHaveLength(Object.keys(RED_CELLS).length + 1);
});

test("a text block goes on a line of its own", () => {
  expect(withBlock("", "Left shift.")).toBe("Left shift.");
  expect(withBlock("Few cells.\n\n", "Left shift.")).toBe("Few cells.\nLeft shift.");
});
