import { useInfiniteQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { List } from "../api/types";
import { Failure, Loading } from "../ui/states";
import { when } from "../ui/time";

interface Entry {
  id: number;
  at: string;
  user: { id: number; name: string } | null;
  project: number | null;
  action: string;
  subject: Record<string, unknown>;
  address: string | null;
}

const shown = (value: unknown): string =>
  Array.isArray(value) && value.length > 6
    ? `${value.length} of them`
    : typeof value === "string"
      ? value
      : JSON.stringify(value);

/** Who changed what, the newest first. */
export function AuditLog({ project }: { project?: number }) {
  const log = useInfiniteQuery({
    queryKey: ["audit", project ?? "all"],
    queryFn: ({ pageParam }) => get<List<Entry>>("/audit", { project, after: pageParam, limit: 50 }),
    initialPageParam: null as number | string | null,
    getNextPageParam: (page) => page.next,
  });
  if (log.isPending) return <Loading what="Reading the audit trail" />;
  if (log.isError) return <Failure fault={log.error} retry={() => log.refetch()} />;
  const entries = log.data.pages.flatMap((page) => page.items);
  return (
    <>
      <table className="table audit">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Of what</th>
            <th>From</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td className="text-nowrap">{when(entry.at)}</td>
              <td>{entry.user?.name ?? "the service"}</td>
              <td>{entry.action}</td>
              <td className="subject">
                {Object.entries(entry.subject)
                  .map(([name, value]) => `${name} ${shown(value)}`)
                  .join(", ")}
              </td>
              <td className="quiet">{entry.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {log.hasNextPage && (
        <button type="button" className="bin-act" onClick={() => log.fetchNextPage()}>
          earlier
        </button>
      )}
    </>
  );
}
