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
