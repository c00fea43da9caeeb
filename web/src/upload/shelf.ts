/** Files that wait to be sent, kept in the browser's own store so that a reload does not lose them. */

import type { Found } from "./gather";

export interface Shelf {
  put(project: number, found: Found[]): Promise<void>;
  taken(project: number, names: string[]): Promise<void>;
  waiting(project: number): Promise<Found[]>;
  clear(project: number): Promise<void>;
}

/** Beyond this, bytes, files are not kept: dropping the folder again skips what has arrived. */
const ROOM = 400e6;

function opened(): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const request = indexedDB.open("hemosight", 1);
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

const all = (project: number) => IDBKeyRange.bound([project], [project, []]);

export const shelf: Shelf = {
  async put(project, found) {
    if (found.reduce((sum, { file }) => sum + file.size, 0) > ROOM) return;
    await within("readwrite", (store) => {
      for (const { name, file } of found) store.put({ project, name, file });
      return undefined;
    });
  },
  async taken(project, names) {
    await within("readwrite", (store) => {
      for (const name of names) store.delete([project, name]);
      return undefined;
    });
  },
  async waiting(project) {
    const rows = await within<Found[]>("readonly", (store) => store.getAll(all(project)));
    return (rows ?? []).map(({ name, file }) => ({ name, file }));
  },
  async clear(project) {
    await within("readwrite", (store) => {
      store.delete(all(project));
      return undefined;
    });
  },
};
