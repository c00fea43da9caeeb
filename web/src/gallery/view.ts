/** Which part of the table is in sight. */

import { type RefObject, useEffect, useLayoutEffect, useState } from "react";

/** The table is laid out anew when it has been scrolled by so many pixels, not with every one; less than the margin. */
export const STRIDE = 96;
/** From here on, pixels a frame, the table rushes by and pictures are left out. */
const RUSH = 1200;
/** What is in sight of the table, pixels; `rush` while it is scrolled faster than pictures can follow. */
export interface View {
  top: number;
  height: number;
  width: number;
  rush: boolean;
}

/** The part in sight of an element that scrolls. */
export function useView(scroller: RefObject<HTMLElement | null>): View {
  const [view, setView] = useState<View>({ top: 0, height: 800, width: 0, rush: false });
  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = () =>
      setView((view) => ({ ...view, height: element.clientHeight, width: element.clientWidth - 32 }));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [scroller]);

  useEffect(() => {
    const element = scroller.current!;
    let frame = 0;
    let settle: ReturnType<typeof setTimeout> | undefined;
    let last = element.scrollTop;
    const scrolled = () => {
      if (frame) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        const top = element.scrollTop;
        const rush = Math.abs(top - last) > RUSH;
        last = top;
        const line = Math.floor(top / STRIDE) * STRIDE;
        setView((view) => (view.top === line && view.rush === rush ? view : { ...view, top: line, rush }));
        clearTimeout(settle);
        if (rush) settle = setTimeout(() => setView((view) => ({ ...view, rush: false })), 120);
      });
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      element.removeEventListener("scroll", scrolled);
      cancelAnimationFrame(frame);
      clearTimeout(settle);
    };
  }, [scroller]);

  return view;
}
