/** Files that the browser saves: fetched by an address, or made of what an answer held. */

/** Have the browser save what an address answers; it streams to the disk. */
export function follow(address: string, name = ""): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

/** Have the browser save what is at hand. */
export function save(data: Blob, name: string): void {
  const made = URL.createObjectURL(data);
  follow(made, name);
  setTimeout(() => URL.revokeObjectURL(made), 60_000);
}
