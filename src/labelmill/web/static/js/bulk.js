// The grid of records: a click selects, Shift selects up to there, a label's key answers what is selected.

const form = document.querySelector("form[data-grid]");
const boxes = [...(form?.querySelectorAll("input[name=record]") ?? [])];
let last = null;

function show() {
  const chosen = boxes.filter((box) => box.checked).length;
  form.querySelector("[data-count]").textContent = chosen.toLocaleString(document.documentElement.lang);
  const all = form.querySelector("[data-all]");
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
  for (const button of form.querySelectorAll("button[name=label]")) button.setAttribute("aria-disabled", String(chosen === 0));
}

function set(box, checked, extend) {
  const [from, to] = [boxes.indexOf(extend && last ? last : box), boxes.indexOf(box)].sort((a, b) => a - b);
  for (const each of boxes.slice(from, to + 1)) each.checked = checked;
  last = box;
  show();
}

// The arrow keys walk over the grid as it is laid out.
function neighbour(box, key) {
  const at = boxes.indexOf(box);
  if (key === "ArrowLeft" || key === "ArrowRight") return boxes[at + (key === "ArrowRight" ? 1 : -1)];
  const { top, left } = box.closest("li").getBoundingClientRect();
  const down = key === "ArrowDown";
  const row = boxes.filter((each) => {
    const other = each.closest("li").getBoundingClientRect();
    return Math.abs(other.left - left) < 2 && (down ? other.top > top + 2 : other.top < top - 2);
  });
  return down ? row[0] : row.at(-1);
}

if (form) {
  for (const element of form.querySelectorAll("[data-scripted]")) element.hidden = false;
  form.addEventListener("click", (event) => {
    const cell = event.target.closest("li.cell");
    if (!cell || event.target.closest("a, summary")) return;
    const box = cell.querySelector("input[name=record]");
    if (event.target === box) set(box, box.checked, event.shiftKey);
    else if (!event.target.closest("label") && getSelection().isCollapsed) set(box, !box.checked, event.shiftKey);
  });
  form.querySelector("[data-all]").addEventListener("change", (event) => {
    for (const box of boxes) box.checked = event.target.checked;
    show();
  });
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent || !boxes.some((box) => box.checked)) event.preventDefault();
    else sent = true;
  });
  show();
}

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input:not([type=checkbox]), select, textarea") || event.altKey) return;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && key === "a" && form) {
    event.preventDefault();
    for (const box of boxes) box.checked = true;
    show();
    return;
  }
  const undo = document.querySelector("form[data-undo] button");
  if (undo && (key === "u" || ((event.ctrlKey || event.metaKey) && key === "z"))) {
    event.preventDefault();
    undo.click();
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (key === "b") document.querySelector("[data-back]").click();
  if (key === "/") {
    event.preventDefault();
    document.querySelector("[data-filter]").focus();
  }
  if (key.startsWith("arrow") && boxes.length) {
    const box = boxes.includes(document.activeElement) ? neighbour(document.activeElement, event.key) : boxes[0];
    if (box) {
      event.preventDefault();
      box.focus();
      if (event.shiftKey) {
        last ??= box;
        set(box, true, true);
      }
    }
    return;
  }
  const button = form && !event.repeat && [...form.querySelectorAll("button[name=label]")].find((each) => each.dataset.key === key);
  if (button) button.click();
});
