// The editor of rules: what is wrong is underlined where it stands, and examples can be pressed.

const form = document.querySelector("[data-rule-form]");
const rule = form.elements.rule;
const mirror = form.querySelector("[data-mirror]");

// The server counts characters, the browser UTF-16 units.
const parts = (text, offset, length) => {
  const signs = [...text];
  return [signs.slice(0, offset), signs.slice(offset, offset + length), signs.slice(offset + length)].map((some) => some.join(""));
};

function underline() {
  const wrong = document.querySelector("#checked [data-offset]");
  rule.setAttribute("aria-invalid", String(Boolean(wrong)));
  if (!wrong) return mirror.replaceChildren();
  const [before, at, after] = parts(rule.value, Number(wrong.dataset.offset), Number(wrong.dataset.length));
  const mark = document.createElement("mark");
  mark.textContent = at || "\u2003";
  mirror.replaceChildren(before, mark, after);
  mirror.scrollTop = rule.scrollTop;
}

rule.addEventListener("input", () => mirror.replaceChildren());
rule.addEventListener("scroll", () => (mirror.scrollTop = rule.scrollTop));
document.addEventListener("htmx:after:swap", underline);
underline();

document.addEventListener("click", (event) => {
  const example = event.target.closest("[data-example]");
  if (!example || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  rule.value = example.dataset.example;
  form.elements.name.value ||= example.dataset.name;
  rule.focus();
  rule.dispatchEvent(new Event("input", { bubbles: true }));
});
