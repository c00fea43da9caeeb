import type { ComponentProps, SyntheticEvent } from "react";

/** Pictures that did not come: hidden, and asked for again. */
const missing = new Map<HTMLImageElement, { tries: number; timer: ReturnType<typeof setTimeout> | undefined }>();
/** Waits between tries, milliseconds; after the last one only a mended line asks again. */
const WAITS = [2000, 5000, 15_000];

function ask(image: HTMLImageElement): void {
  const src = image.getAttribute("src");
  if (!image.isConnected || !src) missing.delete(image);
  // The same address again: what failed is not kept, so it is fetched anew.
  else image.src = src;
}

function failed({ currentTarget: image }: SyntheticEvent<HTMLImageElement>): void {
  image.style.visibility = "hidden";
  const before = missing.get(image);
  clearTimeout(before?.timer);
  const tries = before?.tries ?? 0;
  const wait = WAITS[tries];
  const timer = wait === undefined ? undefined : setTimeout(() => ask(image), wait);
  missing.set(image, { tries: tries + 1, timer });
}

function came({ currentTarget: image }: SyntheticEvent<HTMLImageElement>): void {
  image.style.visibility = "";
  clearTimeout(missing.get(image)?.timer);
  missing.delete(image);
}

/** The line is mended: ask for every picture that is missing, and count its tries anew. */
export function askForMissing(): void {
  for (const [image, { timer }] of missing) {
    clearTimeout(timer);
    missing.set(image, { tries: 0, timer: undefined });
    ask(image);
  }
}

/** A picture of the service. One that does not come leaves its place empty, and comes when the service can be reached again. */
export function Picture({ alt, onLoad, onError, ...rest }: ComponentProps<"img">) {
  return (
    <img
      alt={alt}
      onLoad={(event) => {
        came(event);
        onLoad?.(event);
      }}
      onError={(event) => {
        failed(event);
        onError?.(event);
      }}
      {...rest}
    />
  );
}
