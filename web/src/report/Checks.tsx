import type { CheckShown } from "../api/schema";

const ASKS: Record<CheckShown["level"], string> = {
  warn: "",
  reason: "takes a reason",
  second: "takes a second signature",
  block: "stands in the way",
};

/** What is checked before signing, each check with its number; what is open stands first. */
export function CheckList({ checks }: { checks: CheckShown[] }) {
  const order = [...checks].sort((a, b) => Number(b.open) - Number(a.open));
  return (
    <ul className="sign-checks">
      {order.map(({ name, says, open, level }) => (
        <li key={`${name} ${says}`} className={open ? "open" : "quiet"} data-check={name}>
          <span aria-hidden="true">{open ? "!" : "✓"}</span> {says}
          {open && ASKS[level] && <em> {ASKS[level]}</em>}
        </li>
      ))}
    </ul>
  );
}
