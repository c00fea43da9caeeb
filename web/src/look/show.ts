import { useCaseSearch } from "../cases/InHand";
import { useProjectContext, useProjectState } from "../project/context";

/** What a link needs that shows a cell on the table: of this case, where it is said which. */
export function useShow() {
  const { project, store } = useProjectContext();
  const search = useCaseSearch();
  const cases = useProjectState((state) => state.columns.cases);
  return (image: number, of?: number | null) => ({
    to: { pathname: `/projects/${project.id}`, search: of && cases.length ? `?case=${of}` : search },
    onClick: () => store.select([image]),
  });
}
