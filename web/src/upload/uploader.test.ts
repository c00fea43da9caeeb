import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { FileOutcome, NewUpload } from "../api/schema";
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
  /** What each upload was begun with; its number is its place. */
  begun: NewUpload[] = [];
  to: number[] = [];
  cancelled: number[] = [];
  there: Record<string, number> = {};
  faults: ServiceFault[] = [];
  /** Why it does not say what it has, each time it is asked. */
  unasked: ServiceFault[] = [];
  async begin(given: NewUpload) {
    return this.begun.push(given) - 1;
  }
  async known(digests: string[]) {
    const fault = this.unasked.shift();
    if (fault) throw fault;
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

  test("begins anew where its upload was ended since, by whoever deleted the case", async () => {
    const service = new Pretended();
    const uploader = make(service);
    uploader.setCase("24-1093");
    await uploader.add([named("a.png")]);
    const ended = () => new ServiceFault(409, { code: "in_the_way", message: "Expected an upload that goes on." });
    service.faults = [ended()];
    await uploader.add([named("b.png")]);
    expect(service.to).toEqual([0, 1]);
    expect(uploader.snapshot().counts).toMatchObject({ added: 2, refused: 0 });
    service.faults = [ended(), ended()];
    await uploader.add([named("c.png")]);
    expect(uploader.snapshot().files.at(-1)).toMatchObject({ name: "c.png", state: "refused" });
    await uploader.add([named("c.png")]);
    expect(uploader.snapshot().files.at(-1)).toMatchObject({ name: "c.png", state: "added" });
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
    expect(service.begun.map(({ bits }) => bits)).toEqual([null, 12]);
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
    expect(service.begun.map(({ case: key }) => key)).toEqual(["S-1", "S-2", null]);
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
    void gone.add([named("1.png", "a")], { caseKey: "S-1" });
    void gone.add([named("1.png", "b")], { caseKey: "S-2" });
    await vi.waitFor(() => expect(waitingFiles.kept.size).toBe(2));

    const service = new Pretended();
    const uploader = make(service, waitingFiles);
    uploader.setCase("S-3");
    await uploader.resume();
    expect(service.begun.map(({ case: key }) => key)).toEqual(["S-1", "S-2"]);
    expect(service.sent).toEqual([["1.png"], ["1.png"]]);
    expect(waitingFiles.kept.size).toBe(0);
  });

  test("is stopped with all others, and begins anew after that", async () => {
    const service = new Pretended();
    const uploader = make(service);
    await uploader.add([named("1.png")], { caseKey: "S-1" });
    await uploader.add([named("2.png")], { caseKey: "S-2" });
    await uploader.cancel();
    expect(service.cancelled).toEqual([0, 1]);
    await uploader.add([named("3.png")], { caseKey: "S-1" });
    expect(service.begun.map(({ case: key }) => key)).toEqual(["S-1", "S-2", "S-1"]);
  });
});

test("batches are of one case, scanner and depth each", () => {
  const of = (key: string | null): Found => ({ ...named("x"), case: key });
  const deep = { ...of("S-2"), bits: 12 };
  const scanned = { ...deep, profile: 4 };
  const cut = batches([of(null), named("y"), of("S-1"), of("S-1"), of("S-2"), deep, deep, scanned]);
  expect(cut.map((batch) => batch.length)).toEqual([2, 2, 1, 2, 1]);
});

test("batches are bounded in number and in bytes", () => {
  const big = (size: number): Found => ({ name: "x", file: { size } as File });
  expect(batches([]).length).toBe(0);
  expect(batches(Array.from({ length: 33 }, () => big(1))).map((batch) => batch.length)).toEqual([16, 16, 1]);
  expect(batches([big(5e6), big(5e6), big(1)]).map((batch) => batch.length)).toEqual([1, 2]);
  expect(batches([big(9e9)])).toHaveLength(1);
});

describe("scanner and depth", () => {
  const began = (caseKey: string | null, profile: number | null, bits: number | null): NewUpload => {
    return { case: caseKey, profile, bits };
  };

  test("are those that were said when a file was added, whatever is said before it is sent", async () => {
    const service = new Pretended();
    const uploader = make(service);
    uploader.setCase("S-1");
    uploader.setProfile(4);
    uploader.setBits(12);
    const first = uploader.add([named("a.tif")]);
    uploader.setBits(null);
    const second = uploader.add([named("b.tif")]);
    uploader.setProfile(5);
    await Promise.all([first, second, uploader.add([named("c.tif"), named("d.tif")])]);
    uploader.setCase("");
    await uploader.add([named("e.tif")]);
    expect(service.sent).toEqual([["a.tif"], ["b.tif"], ["c.tif", "d.tif"], ["e.tif"]]);
    // Without a case there is none that could be of a scanner.
    const wanted = [began("S-1", 4, 12), began("S-1", 4, null), began("S-1", 5, null), began(null, null, null)];
    expect(service.begun).toEqual(wanted);
  });

  test("outlive a reload", async () => {
    const waitingFiles = new WaitingFiles();
    const before = new Pretended();
    before.send = () => new Promise(() => {});
    void make(before, waitingFiles).add([named("a.tif")], { caseKey: "S-1", profile: 4, bits: 12 });
    await vi.waitFor(() => expect(waitingFiles.kept.size).toBe(1));
    const service = new Pretended();
    await make(service, waitingFiles).resume();
    expect(service.begun).toEqual([began("S-1", 4, 12)]);
  });
});

describe("where the service does not say what it has", () => {
  test("because it refuses, the files say so, the next are sent, and the same can be added again", async () => {
    const service = new Pretended();
    service.unasked = [new ServiceFault(403, { code: "forbidden", message: "Viewers upload nothing." })];
    const uploader = make(service);
    const all = Array.from({ length: 70 }, (_, at) => named(`${at}.png`));
    await uploader.add(all);
    expect(uploader.snapshot()).toMatchObject({ running: false, counts: { waiting: 0, refused: 64, added: 6 } });
    expect(uploader.snapshot().files[0]).toMatchObject({ state: "refused", reason: "Viewers upload nothing." });
    await uploader.add(all.slice(0, 3));
    expect(uploader.snapshot().counts).toMatchObject({ refused: 61, added: 9 });
  });

  test("because the line is broken, stopping ends it, and the files say that they were called off", async () => {
    const service = new Pretended();
    service.unasked = Array.from({ length: 3 }, () => new ServiceFault(0, { code: "offline", message: "gone" }));
    const waits: string[] = [];
    const uploader = new Uploader(1, service, null, async () => {
      waits.push(uploader.snapshot().fault ?? "");
      if (waits.length === 2) await uploader.cancel();
    });
    await uploader.add([named("a.png"), named("b.png")]);
    expect(waits).toEqual(["gone", "gone"]);
    expect(uploader.snapshot()).toMatchObject({ running: false, fault: null, counts: { waiting: 0, refused: 2 } });
    expect(uploader.snapshot().files.map(({ reason }) => reason)).toEqual(["cancelled", "cancelled"]);
    await uploader.add([named("a.png")]);
    expect(uploader.snapshot().counts).toMatchObject({ added: 1, refused: 1 });
  });
});

test("what the browser could not read stands among the files that are not taken", async () => {
  const uploader = make(new Pretended());
  uploader.setCase("S-1");
  uploader.unread(["folder/locked.png"]);
  await uploader.add([named("folder/a.png")]);
  expect(uploader.snapshot().counts).toMatchObject({ added: 1, refused: 1 });
  expect(uploader.snapshot().files[0]).toEqual({
    ...{ name: "folder/locked.png", case: "S-1", state: "refused" },
    reason: "It could not be read.",
  });
});
