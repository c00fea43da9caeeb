/** Files out of what was dropped or picked: folders are walked, and what is no crop is left out. */

import type { NewUpload } from "../api/schema";

/** A file with what its upload says of it: whose it is, of which scanner and how deep its samples are, where somebody said so. */
export interface Found extends NewUpload {
  /** Relative name, folders included: it often says the case. */
  name: string;
  file: File;
}

/** What lay in a drop. */
export interface Dropped {
  found: Found[];
  /** Names of the files and folders that the browser could not read. */
  unread: string[];
}

/** What a file is known by: two cases may well have files of the same name. */
export const keyOf = (found: Pick<Found, "name" | "case">): string =>
  found.case ? `${found.case}\u0000${found.name}` : found.name;

/** Suffixes of what the service reads; a file without one, or called by a number as DICOM files are, may be anything. */
const CROPS = /(\.(jpe?g|jpe|jfif|png|tiff?|bmp|dib|webp|dcm|dicom|zip|\d+)|^[^.]+)$/i;
/** What systems and file servers leave in folders; the service passes it over as well (images/litter.py). */
const LITTER =
  /^(\..*|~\$.*|synophoto_thumb.*|__macosx|@eadir|[#@]recycle|@recently-snapshot|#snapshot|@tmp|\$recycle\.bin|recycler|recycled|~snapshot|_vti_(cnf|pvt)|found\.\d{3}|.*@syno(eastream|resource)|lost\+found|system volume information|network trash folder|temporary items|thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r)$/i;

const isLitter = (name: string): boolean => name.split("/").some((part) => LITTER.test(part));

/** Whether a file may hold crops, by its name. */
export const mayHoldCrops = (name: string): boolean => CROPS.test(name.split("/").at(-1) ?? "") && !isLitter(name);

export function picked(files: Iterable<File>): Found[] {
  return [...files]
    .map((file) => ({ name: file.webkitRelativePath || file.name, file }))
    .filter(({ name }) => mayHoldCrops(name));
}

/** All files of a drop. To be called at once: the browser empties the list when the event is over. */
export async function dropped(transfer: Pick<DataTransfer, "items" | "files">): Promise<Dropped> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry): entry is FileSystemEntry => !!entry);
  if (!entries.length) return { found: picked(transfer.files), unread: [] };
  const all: Dropped = { found: [], unread: [] };
  for (const entry of entries) await walk(entry, all);
  return all;
}

/** Adds what lies in an entry. One that cannot be read costs itself alone: the rest of the drop is taken. */
async function walk(entry: FileSystemEntry, all: Dropped): Promise<void> {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile ? !mayHoldCrops(name) : isLitter(name)) return;
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
      all.found.push({ name, file });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // A reader gives at most a hundred entries at a time.
      const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      for (const one of some) await walk(one, all);
    }
  } catch {
    all.unread.push(name);
  }
}

/** SHA-256 of a file in hexadecimal digits; null where the page is not served over TLS and the browser has none. */
export async function sha256(file: Blob): Promise<string | null> {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
