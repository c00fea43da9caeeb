/** What type a cell has on the desk: a person's label, else the model's reading. */

import type { ClassShown as Mark } from "../api/schema";
import { NONE, READ, rowOf, UNSURE } from "../columns/columns";
import { useProjectState } from "../project/context";

export interface Kind {
  mark: Mark | undefined;
  labelled: boolean;
  words: string;
}

/** The type of any cell of the case in hand, as it stands now. */
export function useKindOf(): (image: number | null) => Kind {
  const columns = useProjectState((state) => state.columns);
  return (image) => {
    const row = image === null ? -1 : rowOf(columns, image);
    if (row < 0) return { mark: undefined, labelled: false, words: "of another case, or not read yet" };
    const label = columns.label[row]!;
    if (label === UNSURE) return { mark: undefined, labelled: true, words: "labelled unsure" };
    if (label !== NONE) {
      const mark = columns.classes[label];
      return { mark, labelled: true, words: `labelled ${mark?.title ?? "unsure"}` };
    }
    if (columns.status[row] !== READ) return { mark: undefined, labelled: false, words: "not read yet" };
    const mark = columns.classes[columns.predicted[row]!];
    return { mark, labelled: false, words: mark ? `read as ${mark.title}` : "read, without a type" };
  };
}
