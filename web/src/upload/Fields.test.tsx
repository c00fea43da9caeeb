import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { useFields } from "./Fields";
import { sendFields } from "./fields";

vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 }, store: { notify: () => {} } }),
}));
vi.mock("./Uploads", () => ({ useUploads: () => ({ caseKey: " F-7 ", profile: 4, bits: 12 }) }));
vi.mock("./fields", () => ({ sendFields: vi.fn(async () => ({ refused: [] })), fieldWords: () => "searched" }));
afterEach(cleanup);

test("fields of a camera go where the fields beside the picker say: case, scanner and depth", async () => {
  const Picker = () => useFields().picker;
  const page = render(
    <QueryClientProvider client={new QueryClient()}>
      <Picker />
    </QueryClientProvider>,
  );
  const file = new File([], "a.tif");
  fireEvent.change(page.getByLabelText("Fields of view of a camera"), { target: { files: [file] } });
  await waitFor(() => expect(sendFields).toHaveBeenCalled());
  expect(vi.mocked(sendFields).mock.calls[0]!.slice(0, 3)).toEqual([7, [file], { case: "F-7", profile: 4, bits: 12 }]);
});
