/** Put a text on the clipboard, to be called as a button is pressed. False where the browser does not let the page. */
export async function copied(text: string): Promise<boolean> {
  try {
    // There is none where the page is not served over TLS.
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused; the older way asks nobody.
  }
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  try {
    area.focus();
    area.select();
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (before instanceof HTMLElement) before.focus();
  }
}
