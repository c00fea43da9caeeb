import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Found } from "./gather";
import { waitingFiles } from "./waiting";

/** As much of the browser's store as the page uses; what is put is copied, as there. */
let rows: Map<string, object>;
beforeEach(() => {
  rows = new Map();
  const store = {
    put: (row: { project: number; name: string }) => rows.set(JSON.stringify([row.project, row.name]), { ...row }),
    delete: (key: unknown) => rows.delete(JSON.stringify(key)),
    getAll: () => ({ result: [...rows.values()] }),
  };
  const transaction = () => {
    const made = { objectStore: () => store, oncomplete: () => {} };
    queueMicrotask(() => made.oncomplete());
    return made;
  };
  const open = () => {
    const request = { result: { transaction, close: () => {} }, onsuccess: () => {} };
    queueMicrotask(() => request.onsuccess());
    return request;
  };
  vi.stubGlobal("indexedDB", { open });
  vi.stubGlobal("IDBKeyRange", { bound: () => null });
});
afterEach(() => vi.unstubAllGlobals());

test("what was said of a file waits with it, under its own name", async () => {
  const file = new File(["a"], "1.tif");
  const said: Found = { name: "1.tif", file, case: "S-1", profile: 4, bits: 12 };
  const other: Found = { ...said, case: "S-2", profile: null, bits: null };
  await waitingFiles.put(1, [said, other]);
  expect(await waitingFiles.waiting(1)).toEqual([said, other]);
  await waitingFiles.taken(1, [other]);
  expect(await waitingFiles.waiting(1)).toEqual([said]);
});

test("what an older page kept is taken as it stands", async () => {
  const file = new File(["a"], "1.tif");
  rows.set("old", { project: 1, name: "1.tif", file });
  expect(await waitingFiles.waiting(1)).toEqual([{ name: "1.tif", file }]);
});
