// @vitest-environment node
import { expect, test } from "vitest";
import { dropped, mayHoldCrops } from "./gather";

test.each(["a.jpg", "S-1/b.JFIF", "c.jpe", "d.dib", "e.TIFF", "f.dcm", "g.zip", "IM000001", "1.2.840.10008.5"])(
  "%s may hold a crop",
  (name) => expect(mayHoldCrops(name)).toBe(true),
);

test.each([
  "notes.txt",
  "labels.csv",
  ".DS_Store",
  "S-1/._a.jpg",
  "S-1/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
  "#recycle/a.jpg",
  "$RECYCLE.BIN/a.jpg",
  "lost+found/a.jpg",
  "__MACOSX/a.jpg",
  "in/.ipynb_checkpoints/a.png",
])("%s holds none", (name) => expect(mayHoldCrops(name)).toBe(false));

type Tree = { [name: string]: Tree | "file" | "torn" };

/** A file or folder as a browser hands it over. A torn file cannot be read, nor a folder from ".torn" on, its last entry. */
function entryOf(path: string, tree: Tree[string]): FileSystemEntry {
  const torn = (_: unknown, failed: (fault: Error) => void) => failed(new Error("NotReadableError"));
  const about = { fullPath: path, isFile: typeof tree === "string", isDirectory: typeof tree !== "string" };
  if (tree === "file") return { ...about, file: (done: (file: File) => void) => done(new File(["x"], path)) } as never;
  if (tree === "torn") return { ...about, file: torn } as never;
  const parts = Object.entries(tree).map(([name, below]) => entryOf(`${path}/${name}`, below));
  // The browser gives the entries in parts, and none at the end.
  const readEntries = (done: (entries: FileSystemEntry[]) => void, failed: (fault: Error) => void) =>
    ".torn" in tree && parts.length === 1 ? torn(done, failed) : done(parts.splice(0, 2));
  return { ...about, createReader: () => ({ readEntries }) } as never;
}

const drop = (tree: Tree) => {
  const entries = Object.entries(tree).map(([name, below]) => entryOf(`/${name}`, below));
  return dropped({ items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })), files: [] } as never);
};

test("what cannot be read is named, and the rest of the drop is taken", async () => {
  const day: Tree = { "1.png": "file", "2.png": "torn", "3.png": "file", "notes.txt": "torn" };
  const { found, unread } = await drop({
    day,
    lost: { "4.png": "file", "5.png": "file", ".torn": "file" },
    "6.png": "file",
  });
  expect(found.map(({ name }) => name)).toEqual(["day/1.png", "day/3.png", "lost/4.png", "lost/5.png", "6.png"]);
  expect(unread).toEqual(["day/2.png", "lost"]);
});

test("folders that systems leave are not even opened", async () => {
  const closed: Tree = { ".torn": "torn" };
  const { found, unread } = await drop({ disk: { "System Volume Information": closed, "1.png": "file" } });
  expect(found.map(({ name }) => name)).toEqual(["disk/1.png"]);
  expect(unread).toEqual([]);
});
