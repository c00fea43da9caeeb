// @vitest-environment node
import { expect, test } from "vitest";
import { FIELDS, SETTINGS, TABS } from "../projects/tabs";
import { WAY } from "./way";

test("every tab of a project is explained under the name that it has", () => {
  const explained = WAY.map(({ title }) => title);
  for (const { title } of [...TABS, FIELDS, SETTINGS]) expect(explained).toContain(title);
  expect(new Set(explained).size).toBe(explained.length);
});
