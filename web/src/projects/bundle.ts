/** What moving a project to the service's bundle changes, in sentences. */

import { worded } from "../api/queries";
import type { BundleChange, BundleNamed, ClassesOfSet } from "../api/schema";

/** Name and version; of two that are called alike the beginning of their sha256 as well. */
export function bundleName(one: BundleNamed, other: BundleNamed): string {
  const name = `${one.name} ${one.version}`;
  const alike = name === `${other.name} ${other.version}` && one.identity !== other.identity;
  return alike ? `${name} (${one.identity.slice(0, 8)})` : name;
}

const counted = (count: number, one: string, many: string): string =>
  count === 1 ? `1 ${one}` : `${count.toLocaleString("en")} ${many}`;

const listed = (names: string[]): string => names.map(worded).join(", ");

const classes = (sets: ClassesOfSet[]): string =>
  sets.map((set) => `${worded(set.label_set)}: ${listed(set.classes)}`).join("; ");

/** What will be otherwise, what stays, and what begins anew. */
export function changes(change: BundleChange): string[] {
  const { cells, to_read: again, labelled, signed, panels } = change;
  const name = bundleName(change.service, change.project);
  return [
    cells > 0 &&
      (again === 0
        ? `${counted(cells, "cell has", "cells have")} been read by ${name} before and will be shown at once.`
        : `${counted(again, "cell is", "cells are")} read anew, in the background. Readings, map and unusual cells will be others.`),
    labelled > 0 &&
      `${counted(labelled, "labelled cell keeps its label", "labelled cells keep their labels")}, and the labels teach ${name}.`,
    signed > 0 &&
      `${counted(signed, "signed case keeps its record", "signed cases keep their records")}, to the byte. Each names the bundle that read it.`,
    "Statements of trust begin anew: what was answered until now measured the other bundle. Cases that do not look like what the model knows are found anew.",
    "Scanners keep their scales, and what is calibrated on labels is calibrated again from the same labels.",
    change.new_sets.length > 0 && `New label sets: ${listed(change.new_sets)}.`,
    change.new_classes.length > 0 && `New types: ${classes(change.new_classes)}.`,
    change.again.length > 0 && `In use again, because it reads them: ${classes(change.again)}.`,
    change.unread_classes.length > 0 &&
      `It does not read ${classes(change.unread_classes)}. They stay as types of your own, read from your labels alone.`,
    change.unread_sets.length > 0 &&
      `It does not read ${listed(change.unread_sets)}. Labels stay, and are all that this is read from.`,
    change.own_sets.length > 0 &&
      `${listed(change.own_sets)}: it reads a label set of the same name; yours stays your own.`,
    panels > 0 &&
      `${counted(panels, "open panel goes on", "open panels go on")}; what they show and compare are the readings they were made with.`,
    "Searches go on with the cells that were looked at; what comes next is ranked by the new readings.",
  ].filter((said): said is string => typeof said === "string");
}
