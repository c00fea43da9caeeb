import { lazy, Suspense, useState } from "react";
import { browserStorage } from "../app/storage";
import { Loading } from "../ui/states";
import "./drawer.scss";

const Landscape = lazy(() => import("./Landscape"));
const NAME = "hemosight.map-drawer";

/** The map folded out from below the table of crops; what is selected is selected in both. */
export function MapDrawer() {
  const [open, setOpen] = useState(() => browserStorage.getItem(NAME) === "open");
  const toggle = () => {
    browserStorage.setItem(NAME, open ? "shut" : "open");
    setOpen(!open);
  };
  return (
    <section className={open ? "map-drawer map-drawer-open" : "map-drawer"} aria-label="Landscape">
      <button type="button" className="map-drawer-handle" aria-expanded={open} onClick={toggle}>
        Landscape <span aria-hidden="true">{open ? "▾" : "▴"}</span>
      </button>
      {open && (
        <div className="map-drawer-body">
          <Suspense fallback={<Loading what="Opening the map" />}>
            <Landscape drawer />
          </Suspense>
        </div>
      )}
    </section>
  );
}
