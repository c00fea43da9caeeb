// @vitest-environment node
import { expect, test } from "vitest";
import { mayHoldCrops } from "./gather";

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
