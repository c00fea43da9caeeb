import { useEffect, useRef, useState } from "react";

/** Follows a value, the first change at once and then one in `apart` milliseconds at most; the last one is never lost. */
export function usePaced<T>(value: T, apart: number): T {
  const [paced, setPaced] = useState(value);
  const last = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    if (Object.is(value, paced)) return;
    const wait = Math.max(0, last.current + apart - performance.now());
    const timer = setTimeout(() => {
      last.current = performance.now();
      setPaced(value);
    }, wait);
    return () => clearTimeout(timer);
  }, [value, paced, apart]);
  return paced;
}
