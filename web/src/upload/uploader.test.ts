import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ServiceFault } from "../api/client";
import { type Found, mayHoldCrops, picked, sha256 } from "./gather";
import { batches, Uploader, type UploadService } from "./uploader";

const named = (name: string, content = name): Found => ({
  name,
  file: Object.assign(new File([content], name), {
    arrayBuffer: async () => new TextEncoder().encode(content).buffer as ArrayBuffer,
  }),
});
const digest = (content: string) => createHash("sha256").update(content).digest("hex");

class Pretended implements UploadService {
  sent: string[][] = [];
  there: Record<string, number> = {};
  faults: ServiceFault[] = [];
  async begin() {
    return 1;
  }
  async known(digests: string[]) {
    return Object.fromEntries(digests.filter((one) => one in this.there).map((one) => [one, this.there[one]!]));
  }
  async send(_upload: number, batch: Found[]) {
    const fault = this.faults.shift();
    if (fault) throw fault;
    this.sent.push(batch.map(({ name }) => name));
    return batch.map(({ name }) =>
      name.includes("broken")
        ? { name, state: "refused", reason: "not an image" }
        : { name, state: "added", reason: null },
    );
  }
  async cancel() {}
}

class Shelf {
  kept = new Map<string, Found>();
  async put(_: number, found: Found[]) {
    for (const one of found) this.kept.set(one.name, one);
  }
  async taken(_: number, names: string[]) {
    for (const name of names) this.kept.delete(name);
  }
  async waiting() {
    return [...this.kept.values()];
  }
  async clear() {
    this.kept.clear();
  }
}

const make = (service: Pretended, shelf: Shelf | null = null) => new Uploader(1, service, shelf, async () => {});

test("a digest is that of the file", async () => {
  expect(await sha256(named("a.png").file)).toBe(digest("a.png"));
});

test.each([
  ["a/b.JPG", true],
  ["cells.zip", true],
  ["smear.tif", true],
  ["notes.txt", false],
  ["a/.hidden.png", false],
  ["__MACOSX/a.png", false],
])("%s may hold crops: %s", (name, may) => {
  expect(mayHoldCrops(name)).toBe(may);
  expect(picked([new File([], name)])).toHaveLength(may ? 1 : 0);
});

describe("an upload", () => {
  test("skips what the service has and says what became of the rest", async () => {
    const service = new Pretended();
    service.there = { [digest("old.png")]: 7 };
    const uploader = make(service);
    await uploader.add([named("new.png"), named("old.png"), named("broken.png")]);
    expect(service.sent).toEqual([["new.png", "broken.png"]]);
    expect(uploader.snapshot().files).toEqual([
      { name: "new.png", state: "added", reason: null },
      { name: "old.png", state: "known", reason: null },
      { name: "broken.png", state: "refused", reason: "not an image" },
    ]);
    expect(uploader.snapshot()).toMatchObject({
      running: false,
      counts: { added: 1, known: 1, refused: 1, waiting: 0 },
    });
  });

  test("waits out a broken line", async () => {
    const service = new Pretended();
    service.faults = [
      new ServiceFault(0, { code: "offline", message: "gone" }),
      new ServiceFault(503, { code: "busy", message: "busy" }),
    ];
    const uploader = make(service);
    await uploader.add([named("a.png")]);
    expect(uploader.snapshot()).toMatchObject({ fault: null, counts: { added: 1 } });
  });

  test("that is refused goes on with the next batch", async () => {
    const service = new Pretended();
    service.faults = [new ServiceFault(413, { code: "too_large", message: "Too large." })];
    const uploader = make(service);
    await uploader.add(Array.from({ length: 20 }, (_, at) => named(`${at}.png`)));
    expect(uploader.snapshot().counts).toMatchObject({ refused: 16, added: 4 });
    expect(uploader.snapshot().files[0]).toMatchObject({ reason: "Too large." });
  });

  test("goes on after a reload with what had not been sent", async () => {
    const shelf = new Shelf();
    await shelf.put(1, [named("left.png")]);
    const service = new Pretended();
    const uploader = make(service, shelf);
    await uploader.resume();
    expect(service.sent).toEqual([["left.png"]]);
    expect(shelf.kept.size).toBe(0);
  });
});

test("batches are bounded in number and in bytes", () => {
  const big = (size: number): Found => ({ name: "x", file: { size } as File });
  expect(batches([]).length).toBe(0);
  expect(batches(Array.from({ length: 33 }, () => big(1))).map((batch) => batch.length)).toEqual([16, 16, 1]);
  expect(batches([big(5e6), big(5e6), big(1)]).map((batch) => batch.length)).toEqual([1, 2]);
  expect(batches([big(9e9)])).toHaveLength(1);
});
