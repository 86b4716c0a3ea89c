// Sorts a table by the column whose heading is pressed; again: the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.firstElementChild.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => order(a.cells[column], b.cells[column]));
      if (down) rows.reverse();
      body.append(...rows);
    });
  });
}

function order(a, b) {
  const [first, second] = [a, b].map((cell) => Number(cell.dataset.value ?? NaN));
  if (Number.isNaN(first) || Number.isNaN(second)) {
    const gaps = Number.isNaN(first) - Number.isNaN(second);
    return gaps || a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  }
  return first - second;
}
