// Dragging a branch onto a stage to move it there, or onto another branch to merge it into that one. What is dropped
// leads to a page that says what it does, and asks. The menu beside a branch's name leads to the same pages.
(() => {
  let dragged = null;

  const target = (event) => { // what it would be dropped on, with what that means and where it leads
    const branch = event.target.closest?.("[data-into]");
    if (branch && branch !== dragged) {
      const [name, into] = [dragged, branch].map((each) => each.querySelector(".branch-name").textContent);
      return { on: branch, says: `Merge ${name} into ${into}`, leads: `${dragged.dataset.merge}?into=${branch.dataset.into}` };
    }
    const stage = event.target.closest?.("[data-stage]");
    if (!stage || !dragged.dataset.move || stage.dataset.stage === dragged.dataset.from) return null;
    return { on: stage, says: `Move to ${stage.dataset.stageLabel}`, leads: `${dragged.dataset.move}?stage=${stage.dataset.stage}` };
  };
  const show = (found) => {
    for (const each of document.querySelectorAll(".drop")) each.classList.toggle("drop", each === found?.on);
    found?.on.classList.add("drop");
    const line = document.getElementById("drop-says");
    if (line.textContent !== (found?.says || "")) line.textContent = found?.says || ""; // it is read out
    line.hidden = !found;
  };
  const begin = (event) => {
    dragged = event.target.closest?.("[data-merge]") || null;
    if (!dragged) return;
    dragged.dataset.from = dragged.closest("[data-stage]")?.dataset.stage || "";
    event.dataTransfer.effectAllowed = "link";
  };
  const end = () => {
    if (!dragged) return;
    dragged = null;
    show(null);
  };

  document.addEventListener("dragstart", begin);
  document.addEventListener("dragend", end);
  document.addEventListener("dragover", (event) => {
    if (!dragged) return;
    const found = target(event);
    show(found);
    if (!found) return;
    event.preventDefault(); // it may be dropped here
    event.dataTransfer.dropEffect = "link";
  });
  document.addEventListener("drop", (event) => {
    const found = dragged && target(event);
    if (!found) return;
    event.preventDefault();
    end();
    location.assign(found.leads);
  });
  // What is dragged stays where it is: the columns are brought up to date again afterwards.
  for (const name of ["htmx:beforeRequest", "htmx:beforeSwap"]) {
    document.addEventListener(name, (event) => {
      if (dragged && event.target.id === "live") event.preventDefault();
    });
  }
})();
