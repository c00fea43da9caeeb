// Copies a whole table, of which the page shows the first rows: it travels as CSV in the link beside the button.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const link = document.getElementById(button.dataset.copy).getAttribute("href");
  const bytes = Uint8Array.from(atob(link.split(",")[1]), (letter) => letter.charCodeAt(0));
  const csv = new TextDecoder().decode(bytes).trimEnd();
  // Sheets paste tabs as columns. What is quoted keeps its commas; a tab or line within it would be a column or row.
  const text = csv.replace(/"((?:[^"]|"")*)"|,/g, (all, quoted) =>
    all === "," ? "\t" : quoted.replaceAll('""', '"').replace(/\s/g, " "));
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  const was = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = was; }, 1200);
});
