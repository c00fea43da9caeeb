import type { UseQueryResult } from "@tanstack/react-query";
import { FaultLine } from "../ui/states";

interface Part {
  /** What the answer is called within a sentence. */
  what: string;
  answer: Pick<UseQueryResult, "isRefetchError" | "error" | "refetch">;
}

const listed = new Intl.ListFormat("en", { type: "conjunction" });

/** What stays on the page though newer could not be loaded: which parts may be old, why, and a way to ask again. */
export function Old({ of: parts }: { of: Part[] }) {
  const old = parts.filter(({ answer }) => answer.isRefetchError);
  if (!old.length) return null;
  const what = listed.format(old.map((part) => part.what));
  return (
    <FaultLine
      fault={old[0]!.answer.error}
      means={`${what.charAt(0).toUpperCase()}${what.slice(1)} may be old: newer could not be loaded.`}
      retry={() => {
        for (const { answer } of old) void answer.refetch();
      }}
    />
  );
}
