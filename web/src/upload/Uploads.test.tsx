import { cleanup, configure, createEvent, fireEvent, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { Uploads } from "./Uploads";

vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, name: "P", role: "reviewer", archived: false } }),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

test("of a drop with a file that cannot be read the rest is taken, and it counts as not taken", async () => {
  const sent: string[] = [];
  vi.spyOn(api, "POST").mockImplementation(((path: string, { body }: { body: { files: string[] } }) => {
    if (path.endsWith("/uploads")) return Promise.resolve({ data: { id: 3 } });
    if (path.endsWith("/known")) return Promise.resolve({ data: { known: {} } });
    sent.push(...body.files);
    const items = body.files.map((name, file) => ({ file, name, image: 1, state: "added", reason: null }));
    return Promise.resolve({ data: { items } });
  }) as unknown as typeof api.POST);
  const page = render(<Uploads>desk</Uploads>);
  const entry = (name: string, file: (done: (file: File) => void, failed: (fault: Error) => void) => void) => ({
    webkitGetAsEntry: () => ({ fullPath: `/${name}`, isFile: true, file }),
  });
  const items = [
    entry("torn.png", (_, failed) => failed(new Error("NotReadableError"))),
    entry("good.png", (done) => done(new File(["x"], "good.png"))),
  ];
  const drop = createEvent.drop(window);
  Object.defineProperty(drop, "dataTransfer", { value: { types: ["Files"], items, files: [] } });
  fireEvent(window, drop);
  await page.findByRole("button", { name: "1 added · 1 not taken" });
  expect(sent).toEqual(["good.png"]);
});
