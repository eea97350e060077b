// The theme: light, dark, or the system's; stored where the browser lets a file store something.

function theme() {
  const select = $("#theme");
  let stored = "";
  try {
    stored = localStorage.getItem("parity-theme") || "";
  } catch {
    /* nothing can be stored */
  }
  const set = value => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  select.value = stored;
  set(select.value);
  select.addEventListener("change", () => {
    set(select.value);
    try {
      localStorage.setItem("parity-theme", select.value);
    } catch {
      /* the theme lasts until the page is closed */
    }
  });
  select.parentElement.hidden = false;
}
