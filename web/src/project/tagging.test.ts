import { beforeEach, expect, test } from "vitest";
import type { NewTags } from "../api/schema";
import { columnsOf } from "../columns/made";
import { memoryOf } from "./memory";
import type { ProjectService } from "./service";
import { ProjectStore } from "./store";

/** A service that keeps tags alone. */
class Tags implements ProjectService {
  worn = new Set<string>();
  requests: NewTags[] = [];
  columns = async () => ({ ...columnsOf([{ id: 1 }, { id: 2 }, { id: 3 }]), full: true, total: 3, etag: null });
  label = async () => ({ labels: [], conflicts: [], taught_until: 0, undo: [] });
  undo = this.label;
  listen = () => () => {};
  async tag(request: NewTags) {
    this.requests.push(request);
    const { tag, on = true } = request;
    const images = request.images.filter((image) => this.worn.has(`${image} ${tag}`) !== on);
    for (const image of images) {
      if (on) this.worn.add(`${image} ${tag}`);
      else this.worn.delete(`${image} ${tag}`);
    }
    return { tag, on, images };
  }
}

beforeEach(() => sessionStorage.clear());

const storeOf = (service: Tags) =>
  new ProjectStore(service, undefined, () => Promise.resolve(), undefined, memoryOf(1, 1));

test("a tag is put on, undone where it was new, and put on again", async () => {
  const service = new Tags();
  service.worn.add("1 odd");
  const store = storeOf(service);
  await store.tag([1, 2], "odd", true);
  expect([...service.worn]).toEqual(["1 odd", "2 odd"]);
  await store.undo();
  // The first had it before.
  expect([...service.worn]).toEqual(["1 odd"]);
  await store.redo();
  expect([...service.worn]).toEqual(["1 odd", "2 odd"]);
  expect(service.requests.map(({ images, on }) => [images, on])).toEqual([
    [[1, 2], true],
    [[2], false],
    [[1, 2], true],
  ]);
});

test("what changed nothing is nothing to undo", async () => {
  const service = new Tags();
  const store = storeOf(service);
  await store.tag([1], "odd", false);
  expect(store.snapshot().past).toEqual([]);
});

test("tags and labels are undone in turn, after a reload too", async () => {
  const service = new Tags();
  await storeOf(service).tag([3], "odd", true);
  const again = storeOf(service);
  expect(again.snapshot().past.map(({ kind }) => kind)).toEqual(["tag"]);
  await again.undo();
  expect([...service.worn]).toEqual([]);
});

test("screens that show tags hear of it at once", async () => {
  const store = storeOf(new Tags());
  await store.tag([1], "odd", true);
  expect(store.snapshot().events.tags).toBe(1);
});
