/** Files out of what was dropped or picked: folders are walked, and what is no crop is left out. */

export interface Found {
  /** Relative name, folders included: it often says the case. */
  name: string;
  file: File;
  /** The specimen or patient that the file is of, where somebody said so. */
  case?: string | null;
}

/** What a file is known by: two cases may well have files of the same name. */
export const keyOf = (found: { name: string; case?: string | null }): string =>
  found.case ? `${found.case}\u0000${found.name}` : found.name;

/** Suffixes of what the service reads; a file without one, or called by a number as DICOM files are, may be anything. */
const CROPS = /(\.(jpe?g|jpe|jfif|png|tiff?|bmp|dib|webp|dcm|dicom|zip|\d+)|^[^.]+)$/i;
/** What systems and file servers leave in folders; the service passes it over as well (images/litter.py). */
const LITTER =
  /^(\..*|~\$.*|synophoto_thumb.*|__macosx|@eadir|[#@]recycle|@recently-snapshot|#snapshot|@tmp|\$recycle\.bin|recycler|recycled|~snapshot|_vti_(cnf|pvt)|found\.\d{3}|.*@syno(eastream|resource)|lost\+found|system volume information|network trash folder|temporary items|thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r)$/i;

/** Whether a file may hold crops, by its name. */
export function mayHoldCrops(name: string): boolean {
  const parts = name.split("/");
  return CROPS.test(parts.at(-1) ?? "") && !parts.some((part) => LITTER.test(part));
}

export function picked(files: Iterable<File>): Found[] {
  return [...files]
    .map((file) => ({ name: file.webkitRelativePath || file.name, file }))
    .filter(({ name }) => mayHoldCrops(name));
}

/** All files of a drop. To be called at once: the browser empties the list when the event is over. */
export async function dropped(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry): entry is FileSystemEntry => !!entry);
  if (!entries.length) return picked(transfer.files);
  const found: Found[] = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry: FileSystemEntry, found: Found[]): Promise<void> {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    if (!mayHoldCrops(name)) return;
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    found.push({ name, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader gives at most a hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}

/** SHA-256 of a file in hexadecimal digits; null where the page is not served over TLS and the browser has none. */
export async function sha256(file: Blob): Promise<string | null> {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
