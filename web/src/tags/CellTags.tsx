import { useMemberNames } from "../api/queries";
import type { ImageShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { when } from "../ui/time";
import { useTags } from "./queries";
import "./tags.scss";

interface Props {
  image: number;
  detail: ImageShown | undefined;
  /** Open the dialog; null for whoever may only look. */
  tag: (() => void) | null;
}

/** The tags of the chosen cell, each with who put it there. */
export function CellTags({ image, detail, tag }: Props) {
  const { project, store } = useProjectContext();
  const nameOf = useMemberNames(project.id);
  const given = new Map(detail?.tags.map((one) => [one.name, one]));
  const own = useTags().filter(({ images }) => images.includes(image));
  if (!own.length && !tag) return null;
  return (
    <fieldset className="cell-tags" aria-label="Tags">
      {own.map(({ name }) => {
        const by = given.get(name);
        return (
          <span key={name} className="tag" title={by && `by ${nameOf(by.user)}, ${when(by.at)}`}>
            {name}
            {tag && (
              <button
                type="button"
                aria-label={`Take the tag ${name} off`}
                onClick={() => void store.tag([image], name, false)}
              >
                ×
              </button>
            )}
          </span>
        );
      })}
      {tag && (
        <button type="button" className="bin-act" onClick={tag}>
          tag <kbd className="key">#</kbd>
        </button>
      )}
    </fieldset>
  );
}
