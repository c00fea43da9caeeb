/** What the desk remembers and measures. */

import { useCallback, useRef, useState } from "react";
import { browserStorage } from "../app/storage";

/** A number or a choice that this browser remembers. */
export function useRemembered<T>(name: string, first: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    try {
      return JSON.parse(browserStorage.getItem(`hemosight.${name}`) ?? "") as T;
    } catch {
      return first;
    }
  });
  const keep = useCallback(
    (value: T) => {
      setValue(value);
      browserStorage.setItem(`hemosight.${name}`, JSON.stringify(value));
    },
    [name],
  );
  return [value, keep];
}

/** Room below the messages at the table's foot, pixels (gallery.scss). */
const FOOT_GAP = 12;

/** How much of the table's foot an element lies over as it changes, pixels; 0 while it is empty. */
export function useHeight(): [(element: HTMLElement | null) => void, number] {
  const [height, setHeight] = useState(0);
  const observer = useRef<ResizeObserver | null>(null);
  const follow = useCallback((element: HTMLElement | null) => {
    observer.current?.disconnect();
    observer.current =
      element && new ResizeObserver(() => setHeight(element.offsetHeight && element.offsetHeight + FOOT_GAP));
    if (element) observer.current?.observe(element);
  }, []);
  return [follow, height];
}
