/** Fields of view of a camera: sent one by one, each answered with the cells that were found in it. */

import { api, body } from "../api/client";
import type { FieldFound, NewUpload } from "../api/schema";
import { beginUpload } from "./uploader";

export interface FieldsSent {
  /** Fields that were answered, and how many there are. */
  done: number;
  of: number;
  cells: number;
  marked: number;
  /** Fields in which counting is not fair. */
  unfair: number;
  /** Cells more that an overlapping field counts, and fields of which nothing says where they lie. */
  again: number;
  unplaced: number;
  /** Fields that were not searched, with the reason. */
  refused: { name: string; reason: string }[];
}

export function added(before: FieldsSent, found: FieldFound): FieldsSent {
  return {
    ...before,
    done: before.done + 1,
    cells: before.cells + found.cells,
    marked: before.marked + found.marked,
    unfair: before.unfair + (found.fair === false ? 1 : 0),
    again: before.again + found.seen_again,
    unplaced: before.unplaced + (found.reason === null && !found.placed ? 1 : 0),
    refused: found.reason === null ? before.refused : [...before.refused, { name: found.name, reason: found.reason }],
  };
}

/** "12 of 40 fields searched: 31 white cells, 4 of them hard to count; 2 fields not fair to count in" */
export function fieldWords({ done, of, cells, marked, unfair, again, unplaced }: FieldsSent): string {
  const fields = of === 1 ? "field" : "fields";
  const doubts = unfair ? `; ${unfair} ${unfair === 1 ? "field" : "fields"} not fair to count in` : "";
  const counted = `${cells} white cells${marked ? `, ${marked} of them hard to count` : ""}`;
  const twice = again ? `; ${again} more that an overlapping field counts` : "";
  const where = unplaced > 1 ? `; where ${unplaced} fields lie is not known: if they overlap, a cell counts twice` : "";
  return `${done} of ${of} ${fields} searched: ${counted}${twice}${doubts}${where}`;
}

/** Search these fields, as an upload of their own that is begun so; says after each how far it is. */
export async function sendFields(
  project: number,
  files: File[],
  given: NewUpload,
  say: (sent: FieldsSent) => void,
): Promise<FieldsSent> {
  let sent: FieldsSent = {
    done: 0,
    of: files.length,
    cells: 0,
    marked: 0,
    unfair: 0,
    again: 0,
    unplaced: 0,
    refused: [],
  };
  say(sent);
  const upload = await beginUpload(project, given);
  for (const file of files) {
    const form = new FormData();
    form.append("files", file, file.name);
    const answer = await body(
      api.POST("/projects/{project}/uploads/{upload}/fields", {
        params: { path: { project, upload } },
        body: { files: [file.name] },
        bodySerializer: () => form,
      }),
    );
    for (const found of answer.items) sent = added(sent, found);
    say(sent);
  }
  return sent;
}
