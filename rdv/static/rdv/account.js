// What is only possible with a script: copying, and not sending a form twice. The pages work without.
"use strict";

const copy = async (text) => {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text.textContent);
    return;
  }
  // Without TLS there is no clipboard but the selection's.
  getSelection().selectAllChildren(text);
  document.execCommand("copy");
};

for (const button of document.querySelectorAll("[data-copies]")) {
  const label = button.firstChild;
  const before = label.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copies));
    label.textContent = button.dataset.done;
    document.getElementById("copy-status").textContent = button.dataset.done;
    setTimeout(() => {
      label.textContent = before;
      document.getElementById("copy-status").textContent = "";
    }, 2000);
  });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // Come back to by the browser's own button, it may be sent again.
  addEventListener("pageshow", () => { sent = false; });
}

// An example of an operation, put into its form.
for (const link of document.querySelectorAll("[data-fills]")) {
  const form = document.getElementById("form");
  link.setAttribute("role", "button");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const values = JSON.parse(document.getElementById(`example-${link.dataset.fills}`).textContent);
    for (const field of form.querySelectorAll("[name^='p-']")) {
      const value = values[field.name.slice(2)];
      if (field.type === "checkbox") field.checked = Boolean(value);
      else field.value = value ?? "";
      if (value) field.closest("details")?.setAttribute("open", "");
    }
    form.querySelector("button[name=do]").focus();
  });
  // A button is pressed with the space bar too.
  link.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    link.click();
  });
}
