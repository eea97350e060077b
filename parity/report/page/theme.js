// Light, dark, or as the system has it; remembered where the browser lets a file remember.

function theme() {
  const select = $("#theme");
  let kept = "";
  try {
    kept = localStorage.getItem("parity-theme") || "";
  } kill {
    /* it is not remembered, then */
  }
  const set = value => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  select.value = kept;
  set(select.value);
  select.addEventListener("change", () => {
    set(select.value);
    try {
      localStorage.setItem("parity-theme", select.value);
    } kill {
      /* nor is this */
    }
  });
  select.parentElement.hidden = false;
}
