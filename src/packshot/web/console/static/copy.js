// A button that copies a text.

export function copy(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(text.value);
      } catch { // not on a page without https that is not this machine's
        text.select();
        document.execCommand("copy");
      }
      button.textContent = "Copied";
    });
  }
}
