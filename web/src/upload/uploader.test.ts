import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { FileOutcome } from "../api/schema";
import { type Found, keyOf, mayHoldCrops, picked, sha256 } from "./gather";
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
  /** The case of each upload; its number is its place. */
  begun: (string | null)[] = [];
  bits: (number | null)[] = [];
  to: number[] = [];
  cancelled: number[] = [];
  there: Record<string, number> = {};
  faults: ServiceFault[] = [];
  async begin(caseKey: string | null, _profile: number | null, bits: number | null) {
    this.bits.push(bits);
    return this.begun.push(caseKey) - 1;
  }
  async known(digests: string[]) {
    return Object.fromEntries(digests.filter((one) => one in this.there).map((one) => [one, this.there[one]!]));
  }
  async send(upload: number, batch: Found[]) {
    const fault = this.faults.shift();
    if (fault) throw fault;
    this.sent.push(batch.map(({ name }) => name));
    this.to.push(upload);
    return batch.flatMap(({ name }, file) => this.answer(name).map((one) => ({ ...one, file })));
  }
  answer(name: string): Omit<FileOutcome, "file">[] {
    if (name.includes("broken")) return [{ name, image: null, state: "refused", reason: "not an image" }];
    return [{ name, image: 1, state: "added", reason: null }];
  }
  async cancel(upload: number) {
    this.cancelled.push(upload);
  }
}

class WaitingFiles {
  kept = new Map<string, Found>();
  async put(_: number, found: Found[]) {
    for (const one of found) this.kept.set(keyOf(one), one);
  }
  async taken(_: number, found: Found[]) {
    for (const one of found) this.kept.delete(keyOf(one));
  }
  async waiting() {
    return [...this.kept.values()];
  }
  async clear() {
    this.kept.clear();
  }
}

const make = (service: Pretended, waitingFiles: WaitingFiles | null = null) =>
  new Uploader(1, service, waitingFiles, async () => {});

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
      { name: "new.png", case: null, state: "added", reason: null },
      { name: "old.png", case: null, state: "known", reason: null },
      { name: "broken.png", case: null, state: "refused", reason: "not an image" },
    ]);
    expect(uploader.snapshot()).toMatchObject({
      running: false,
      counts: { added: 1, known: 1, refused: 1, waiting: 0 },
    });
  });

  test("never calls added what was refused under another name, or of what nothing came out", async () => {
    const raw = "Mu\u0308ller/1.jpg";
    const refused = (name: string, reason: string) => [{ name, image: null, state: "refused" as const, reason }];
    const kept = (name: string) => ({ name, image: 1, state: "added" as const, reason: null });
    class Answering extends Pretended {
      override answer(name: string) {
        if (name === raw) return refused(raw.normalize("NFC"), "damaged");
        if (name === "torn.zip") return refused(name, "a damaged zip");
        if (name === "bad.zip") return [...refused("a.jpg", "empty"), ...refused("b.jpg", "empty")];
        if (name === "one.zip") return refused("c.jpg", "empty");
        if (name === "good.zip") return [kept("d.jpg"), ...refused("e.jpg", "empty")];
        return name === "nothing" ? [] : [kept(name)];
      }
    }
    const uploader = make(new Answering());
    await uploader.add(
      [raw, "torn.zip", "bad.zip", "one.zip", "good.zip", "nothing", "f.jpg"].map((name) => named(name)),
    );
    const became = uploader.snapshot().files.map(({ name, state, reason }) => [name, state, reason]);
    expect(Object.fromEntries(became.map(([name, ...rest]) => [name, rest]))).toEqual({
      [raw]: ["refused", "damaged"],
      "torn.zip": ["refused", "a damaged zip"],
      "bad.zip": ["refused", "Nothing in it was taken."],
      "a.jpg": ["refused", "empty"],
      "b.jpg": ["refused", "empty"],
      "one.zip": ["refused", "Nothing in it was taken."],
      "c.jpg": ["refused", "empty"],
      "good.zip": ["added", null],
      "d.jpg": ["added", null],
      "e.jpg": ["refused", "empty"],
      nothing: ["refused", "Nothing in it was taken."],
      "f.jpg": ["added", null],
    });
  });

  test("begins anew where the samples are of another depth", async () => {
    const service = new Pretended();
    const uploader = make(service);
    await uploader.add([named("a.tif")]);
    uploader.setBits(12);
    await uploader.add([named("b.tif"), named("c.tif")]);
    await uploader.add([named("d.tif")]);
    expect(service.bits).toEqual([null, 12]);
    expect(service.to).toEqual([0, 1, 1]);
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
    const waitingFiles = new WaitingFiles();
    await waitingFiles.put(1, [named("left.png")]);
    const service = new Pretended();
    const uploader = make(service, waitingFiles);
    await uploader.resume();
    expect(service.sent).toEqual([["left.png"]]);
    expect(waitingFiles.kept.size).toBe(0);
  });
});

describe("a case", () => {
  test("goes with what is added while it is set, in an upload of its own", async () => {
    const service = new Pretended();
    const uploader = make(service);
    uploader.setCase(" S-1 ");
    const first = uploader.add([named("1.png", "a"), named("2.png", "b")]);
    uploader.setCase("S-2");
    const second = uploader.add([named("1.png", "c")]);
    uploader.setCase("");
    await Promise.all([first, second, uploader.add([named("3.png")])]);
    uploader.setCase("S-1");
    await uploader.add([named("4.png")]);
    expect(service.begun).toEqual(["S-1", "S-2", null]);
    expect(service.sent).toEqual([["1.png", "2.png"], ["1.png"], ["3.png"], ["4.png"]]);
    expect(service.to).toEqual([0, 1, 2, 0]);
    expect(uploader.snapshot().counts).toMatchObject({ added: 5, waiting: 0 });
    expect(uploader.snapshot().files.map((file) => file.case)).toEqual(["S-1", "S-1", "S-2", null, "S-1"]);
  });

  test("outlives a reload in the middle, whatever the field says then", async () => {
    const waitingFiles = new WaitingFiles();
    const before = new Pretended();
    before.send = () => new Promise(() => {});
    const gone = make(before, waitingFiles);
    void gone.add([named("1.png", "a")], "S-1");
    void gone.add([named("1.png", "b")], "S-2");
    await vi.waitFor(() => expect(waitingFiles.kept.size).toBe(2));

    const service = new Pretended();
    const uploader = make(service, waitingFiles);
    uploader.setCase("S-3");
    await uploader.resume();
    expect(service.begun).toEqual(["S-1", "S-2"]);
    expect(service.sent).toEqual([["1.png"], ["1.png"]]);
    expect(waitingFiles.kept.size).toBe(0);
  });

  test("is stopped with all others, and begins anew after that", async () => {
    const service = new Pretended();
    const uploader = make(service);
    await uploader.add([named("1.png")], "S-1");
    await uploader.add([named("2.png")], "S-2");
    await uploader.cancel();
    expect(service.cancelled).toEqual([0, 1]);
    await uploader.add([named("3.png")], "S-1");
    expect(service.begun).toEqual(["S-1", "S-2", "S-1"]);
  });
});

test("batches are of one case each", () => {
  const of = (key: string | null): Found => ({ ...named("x"), case: key });
  const cut = batches([of(null), { ...named("y") }, of("S-1"), of("S-1"), of("S-2")]);
  expect(cut.map((batch) => batch.length)).toEqual([2, 2, 1]);
});

test("batches are bounded in number and in bytes", () => {
  const big = (size: number): Found => ({ name: "x", file: { size } as File });
  expect(batches([]).length).toBe(0);
  expect(batches(Array.from({ length: 33 }, () => big(1))).map((batch) => batch.length)).toEqual([16, 16, 1]);
  expect(batches([big(5e6), big(5e6), big(1)]).map((batch) => batch.length)).toEqual([1, 2]);
  expect(batches([big(9e9)])).toHaveLength(1);
});
