import type { CSSProperties } from "react";
import type { ClassShown as Mark } from "../api/schema";

/** The two colours of a type for anything with the class `typed`; the theme picks one as `--type`. */
export function inks(mark: Pick<Mark, "light" | "dark"> | null | undefined): CSSProperties {
  return mark ? ({ "--light": mark.light, "--dark": mark.dark } as CSSProperties) : {};
}

/** The letter of a type in its colour. A colour never stands alone. `spoken` where it says more than the title beside it. */
export function Letter({ mark, spoken = false }: { mark: Mark | null | undefined; spoken?: boolean }) {
  return (
    <span className="letter typed" style={inks(mark)} aria-hidden={!spoken}>
      {mark?.key ?? "?"}
    </span>
  );
}

/** Bar and title of a type. */
export function TypeName({ mark, fallback = "Unsure" }: { mark: Mark | null | undefined; fallback?: string }) {
  return (
    <span className="typed" style={inks(mark)}>
      <i className="swatch" aria-hidden="true" /> {mark?.title ?? fallback}
    </span>
  );
}
