// Before anything is painted: the theme that was chosen, or the system's.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = () => { root.dataset.bsTheme = chosen() || (system.matches ? "dark" : "light"); };
  system.addEventListener("change", show);
  root.classList.add("js");
  show();
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const wanted = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try { // back to following the system where it agrees
      if (wanted === (system.matches ? "dark" : "light")) localStorage.removeItem("theme");
      else localStorage.setItem("theme", wanted);
    } catch { /* without storage it lasts for this page */ }
    root.dataset.bsTheme = wanted;
  });
})();
