// @vitest-environment node
import { describe, expect, test } from "vitest";
import { codeOf, decode, labelOf, merged, NONE, ofCase, rowOf, UNSURE, unpack } from "./columns";
import { columnsOf, MARKS, packed } from "./made";

const cells = [
  { id: 3, predicted: 0, probability: 0.75, version: 0 },
  { id: 7, predicted: 1, label: 2, version: 91 },
  { id: 2 ** 40, predicted: NONE, label: UNSURE },
];

describe("the container", () => {
  test("gives back what was put in", () => {
    const came = decode(packed(columnsOf(cells, 91)), '"91-3"');
    expect([...came.id]).toEqual([3, 7, 2 ** 40]);
    expect([...came.predicted]).toEqual([0, 1, NONE]);
    expect([...came.label]).toEqual([NONE, 2, UNSURE]);
    expect([...came.version]).toEqual([0, 91, 0]);
    expect(came.probability[0]).toBe(0.75);
    expect(came).toMatchObject({ event: 91, count: 3, full: true, etag: '"91-3"', classes: MARKS, noveltyLimit: 1 });
  });

  test("of anything else is refused", () => {
    expect(() => unpack(new ArrayBuffer(4))).toThrow("not HemoSight columns");
    expect(() => unpack(new TextEncoder().encode("<!doctype html>").buffer as ArrayBuffer)).toThrow("not HemoSight");
  });
});

test("a row is found by id, and only then", () => {
  const columns = columnsOf(cells);
  expect([3, 7, 2 ** 40].map((id) => rowOf(columns, id))).toEqual([0, 1, 2]);
  expect([0, 5, 2 ** 41].map((id) => rowOf(columns, id))).toEqual([-1, -1, -1]);
});

describe("a delta", () => {
  const known = columnsOf(cells, 91);

  test("replaces changed rows and keeps the order of ids", () => {
    const fresh = {
      ...columnsOf([{ id: 5, predicted: 2 }, { id: 7, predicted: 1, label: 1, version: 95 }, { id: 2 ** 41 }], 95),
      full: false,
      total: 5,
      etag: null,
    };
    const now = merged(known, fresh);
    expect([...now.id]).toEqual([3, 5, 7, 2 ** 40, 2 ** 41]);
    expect([...now.label]).toEqual([NONE, NONE, 1, UNSURE, NONE]);
    expect([...now.version]).toEqual([0, 0, 95, 0, 0]);
    expect(now.event).toBe(95);
    expect([...known.label]).toEqual([NONE, 2, UNSURE]);
  });

  test("equals the slow way", () => {
    const random = (seed: number) => () => {
      seed = (seed * 16807) % 2147483647;
      return seed / 2147483647;
    };
    const next = random(7);
    const some = (share: number) =>
      Array.from({ length: 300 }, (_, id) => ({ id, predicted: Math.floor(next() * 3) })).filter(() => next() < share);
    const before = some(0.6);
    const after = some(0.3);
    const slow = new Map([...before, ...after].map((cell) => [cell.id, cell.predicted]));
    const now = merged(columnsOf(before), { ...columnsOf(after, 4), full: false, total: 300, etag: null });
    expect([...now.id].map((id, row) => [id, now.predicted[row]])).toEqual([...slow].sort(([a], [b]) => a - b));
  });

  test("that is full replaces everything", () => {
    const fresh = { ...columnsOf([{ id: 1 }], 99), full: true, total: 1, etag: null };
    expect(merged(known, fresh)).toBe(fresh);
  });
});

test("codes and labels are inverse", () => {
  for (const label of ["neutrophil", "monocyte", "?", null]) expect(labelOf(MARKS, codeOf(MARKS, label))).toBe(label);
  expect(codeOf(MARKS, "of another set")).toBe(NONE);
});

describe("the rows of a case", () => {
  const columns = columnsOf([
    { id: 1, case: 7, predicted: 0, novelty: 0.25 },
    { id: 2, predicted: 1 },
    { id: 3, case: 8, predicted: 2 },
    { id: 5, case: 7, predicted: 1, version: 12, novelty: 1.5 },
  ]);

  test("are those of that case with all that is known of them", () => {
    const one = ofCase(columns, 7);
    expect([one.count, [...one.id], [...one.predicted], [...one.novelty], [...one.version]]).toEqual([
      2,
      [1, 5],
      [0, 1],
      [0.25, 1.5],
      [0, 12],
    ]);
    expect(rowOf(one, 5)).toBe(1);
    expect(rowOf(one, 3)).toBe(-1);
  });

  test("are those without a case for 0, all for null, none of a case that is not there", () => {
    expect([...ofCase(columns, 0).id]).toEqual([2]);
    expect(ofCase(columns, null)).toBe(columns);
    expect(ofCase(columns, 9).count).toBe(0);
  });
});
