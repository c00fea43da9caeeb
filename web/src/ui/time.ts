const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** How long ago a moment was, in words: "2 hours ago". */
export function ago(moment: string, now: number = Date.now()): string {
  const seconds = (Date.parse(moment) - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

/**
 * A moment as day, time and zone of this place, the same in every browser: "2026-11-27 11:13 UTC+09:00".
 *
 * Browsers would write it in their own language, digits and calendar, and without the zone: a signed sheet that is read
 * elsewhere would name another time.
 */
export function when(moment: string): string {
  const at = new Date(moment);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const ahead = -at.getTimezoneOffset();
  const minutes = Math.abs(ahead);
  const zone = ahead ? `${ahead < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}` : "";
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())} UTC${zone}`;
}
