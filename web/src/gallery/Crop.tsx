import { memo } from "react";
import { address } from "../api/client";
import { Picture } from "../ui/Picture";

export const LABELLED = 1;
export const MOVED = 2;
export const SELECTED = 4;
export const CHOSEN = 8;
export const PENDING = 16;
export const ODD = 32;
export const OUTSIDE = 64;
export const TAGGED = 128;

const CLASSES: [number, string][] = [
  [LABELLED, "labelled"],
  [MOVED, "moved"],
  [SELECTED, "selected"],
  [CHOSEN, "chosen"],
  [PENDING, "pending"],
  [ODD, "odd"],
  [OUTSIDE, "outside"],
  [TAGGED, "tagged"],
];

export function thumbnail(project: number, image: number): string {
  return address(`/projects/${project}/images/${image}/thumbnail`);
}

/** A picture that goes out of sight is no longer waited for: those in sight come first when the table is scrolled. */
function leaving(picture: HTMLImageElement) {
  return () =>
    queueMicrotask(() => {
      if (!picture.isConnected) picture.removeAttribute("src");
    });
}

export interface CropProps {
  project: number;
  image: number;
  x: number;
  y: number;
  size: number;
  flags: number;
  /** Whether the picture is left out while the table rushes by. */
  bare: boolean;
  /** What a screen reader says, and what is shown while the pointer rests on it. */
  name: string;
  caption: string;
  reachable: boolean;
  keep: (image: number, element: HTMLElement | null) => void;
}

/** One cell on the table: the picture, and a frame that says whether a person labelled it. */
export const Crop = memo(function Crop(props: CropProps) {
  const { image, flags, size, keep } = props;
  const classes = CLASSES.filter(([flag]) => flags & flag).map(([, name]) => name);
  return (
    <div
      ref={(element) => keep(image, element)}
      role="option"
      id={`cell-${image}`}
      aria-selected={(flags & SELECTED) !== 0}
      aria-label={props.name}
      tabIndex={props.reachable ? 0 : -1}
      data-image={image}
      data-caption={props.caption}
      className={`crop ${classes.join(" ")}`}
      style={{ left: props.x, top: props.y, width: size, height: size }}
    >
      {!props.bare && (
        <Picture
          ref={leaving}
          src={thumbnail(props.project, image)}
          width={size}
          height={size}
          loading="lazy"
          decoding="async"
          draggable={false}
          alt=""
        />
      )}
    </div>
  );
});
