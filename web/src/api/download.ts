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

/** Have the browser save the file that an answer holds, under the name that it gives. */
export function saveAnswer({ data, response }: { data?: unknown; response: Response }): void {
  const given = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  save(data as Blob, given?.[1] ?? "hemosight");
}
