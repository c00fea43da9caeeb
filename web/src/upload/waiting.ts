/** Files that wait to be sent, kept in the browser's own store so that a reload does not lose them. */

import { root } from "../app/root";
import { type Found, keyOf } from "./gather";

export interface WaitingFiles {
  put(project: number, found: Found[]): Promise<void>;
  taken(project: number, found: Found[]): Promise<void>;
  waiting(project: number): Promise<Found[]>;
  clear(project: number): Promise<void>;
}

/** Beyond this, bytes, files are not kept: dropping the folder again skips what has arrived. */
const ROOM = 400e6;

function opened(): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const request = indexedDB.open(`hemosight${root}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("waiting", { keyPath: ["project", "name"] });
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

async function within<T>(
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<T> | undefined,
): Promise<T | undefined> {
  const database = await opened();
  try {
    return await new Promise((done, failed) => {
      const transaction = database.transaction("waiting", mode);
      const request = act(transaction.objectStore("waiting"));
      transaction.oncomplete = () => done(request?.result);
      transaction.onabort = () => failed(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** A file as it is kept: by its key, with its own name beside it. Older pages kept less of it. */
interface Row extends Found {
  as?: string;
}

const all = (project: number) => IDBKeyRange.bound([project], [project, []]);

export const waitingFiles: WaitingFiles = {
  async put(project, found) {
    if (found.reduce((sum, { file }) => sum + file.size, 0) > ROOM) return;
    await within("readwrite", (store) => {
      for (const one of found) store.put({ ...one, project, name: keyOf(one), as: one.name });
      return undefined;
    });
  },
  async taken(project, found) {
    await within("readwrite", (store) => {
      for (const one of found) store.delete([project, keyOf(one)]);
      return undefined;
    });
  },
  async waiting(project) {
    const rows = await within<Row[]>("readonly", (store) => store.getAll(all(project)));
    return (rows ?? []).map(({ name, as = name, file, case: key, profile, bits }) => {
      return { name: as, file, case: key, profile, bits };
    });
  },
  async clear(project) {
    await within("readwrite", (store) => {
      store.delete(all(project));
      return undefined;
    });
  },
};
