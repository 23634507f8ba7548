// What makes the pages live beyond htmx. Every page works without this file.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- Copying --------------------------------------------------------------------------------------------------
  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // plain http on another machine has no clipboard API
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    await copy(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  });

  // --- Menus, dialogs, questions --------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    if (event.target.closest("[data-help]")) document.getElementById("keyboard")?.showModal();
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // --- Time counts on -------------------------------------------------------------------------------------------
  const relative = (seconds) => { // the same words as portal/templatetags/berth.py
    if (seconds < 45) return "just now";
    if (seconds < 3600) return `${Math.max(Math.round(seconds / 60), 1)} min ago`;
    if (seconds < 86400) return `${Math.max(Math.round(seconds / 3600), 1)} h ago`;
    return null;
  };
  const duration = (seconds) => {
    if (seconds < 60) return `${Math.max(Math.round(seconds), 0)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds) % 60} s`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  };
  const put = (element, text) => { if (text && element.textContent !== text) element.textContent = text; };
  const tick = () => {
    for (const each of all("[data-since]")) put(each, duration((Date.now() - Date.parse(each.dataset.since)) / 1000));
    for (const each of all("time[datetime]")) put(each, relative((Date.now() - Date.parse(each.dateTime)) / 1000));
  };
  setInterval(tick, 1000);

  // --- Live parts -----------------------------------------------------------------------------------------------
  const showState = () => {
    const live = document.querySelector("#live[data-look]");
    const icon = document.getElementById("favicon");
    if (live && icon) icon.href = icon.dataset[live.dataset.look] || icon.dataset.none;
  };
  const followSteps = () => {
    for (const step of all("details[data-step]")) {
      const state = step.querySelector("[data-state]")?.dataset.state;
      const before = step.dataset.shown;
      step.dataset.shown = state;
      if (before === undefined || before === state || "touched" in step.dataset) continue;
      step.open = state === "running" || state === "failure";
    }
  };
  document.addEventListener("click", (event) => {
    const step = event.target.closest("details[data-step] > summary");
    if (step) step.parentElement.dataset.touched = "";
  });
  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const ends = new WeakMap();
  document.addEventListener("htmx:beforeSwap", (event) => {
    const log = event.target.closest?.(".log");
    if (log) ends.set(log, { stick: atEnd(log), height: log.scrollHeight, top: log.scrollTop, earlier: event.target.matches(".log-more") && log.contains(event.target) });
  });
  document.addEventListener("htmx:afterSettle", () => {
    tick();
    showState();
    followSteps();
    for (const log of all(".log")) {
      const was = ends.get(log);
      if (!was) continue;
      ends.delete(log);
      if (was.earlier && was.height > log.clientHeight) log.scrollTop = was.top + log.scrollHeight - was.height;
      else if (was.stick) log.scrollTop = log.scrollHeight;
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const follow = document.querySelector("[data-follow]");
    if (follow && !follow.checked && event.target.matches(".log-follow")) event.preventDefault();
  });
  document.addEventListener("htmx:responseError", (event) => { // a role was taken away meanwhile, or the thing is gone
    if (![403, 404].includes(event.detail.xhr.status) || !event.target.matches("#live, .log-follow")) return;
    const note = document.createElement("p");
    note.className = "note is-warning";
    note.setAttribute("role", "alert");
    note.textContent = "This ends here: you may not see it any more, or it is gone. Reload the page to see what there is.";
    event.target.replaceWith(note); // htmx asks no more for what isn't in the page
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-wrap]")) document.getElementById("log").classList.toggle("wrap", event.target.checked);
    if (event.target.matches("[data-follow]") && event.target.checked) toEnd();
  });
  const toEnd = (again = 3) => { // lines that were never on screen have a guessed height: look again once they are
    for (const log of all(".log")) log.scrollTop = log.scrollHeight;
    if (again) requestAnimationFrame(() => toEnd(again - 1));
  };

  // --- New project ----------------------------------------------------------------------------------------------
  const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+|-+$/g, "").slice(0, 31);
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-repository]");
    if (!chosen) return;
    const name = chosen.dataset.repository.split("/").pop();
    for (const each of all("[data-repository]")) each.toggleAttribute("data-chosen", each === chosen);
    document.getElementById("id_repository").value = chosen.dataset.repository;
    document.getElementById("id_name").value = name;
    document.getElementById("id_slug").value = slug(name);
  });
  document.addEventListener("input", (event) => {
    const list = event.target.matches("[data-filter]") && document.querySelector(event.target.dataset.filter);
    if (!list) return;
    const wanted = event.target.value.toLowerCase();
    for (const row of list.children) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });

  // --- Sending an archive in pieces: what breaks off goes on where it ended -------------------------------------------
  const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const send = async (url, body, token) => { // the answer, once there is one: a portal that is away comes back
    for (let tries = 0; ; tries++) {
      try {
        const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token } });
        if (answer.status < 500 || answer.status === 507) return answer;
      } catch (error) {
        if (tries === 60) throw error;
      }
      await pause(Math.min(1 + tries, 10));
    }
  };
  const upload = async (form, file, shown) => {
    const token = form.elements.csrfmiddlewaretoken.value;
    const about = new FormData();
    about.append("name", file.name);
    about.append("size", file.size);
    const begun = await (await send(form.dataset.begin, about, token)).json();
    if (begun.error) throw new Error(begun.error);
    const piece = Number(form.dataset.piece);
    const page = `${form.dataset.uploads}${begun.upload}/`;
    let sent = begun.received;
    const since = { at: Date.now(), sent };
    while (sent < file.size) {
      shown(sent, file.size, (sent - since.sent) / Math.max((Date.now() - since.at) / 1000, 0.001));
      const answer = await send(`${page}piece/?offset=${sent}`, file.slice(sent, sent + piece), token);
      const told = await answer.json();
      if (told.error) throw new Error(told.error);
      sent = told.received;
    }
    location.assign(page);
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-upload]");
    if (!form) return;
    event.preventDefault();
    const [file] = form.querySelector("[type=file]").files;
    const line = form.querySelector("[data-upload-progress]");
    const wrong = form.querySelector("[data-upload-error]");
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    line.hidden = false;
    wrong.hidden = true;
    const shown = (sent, size, rate) => {
      line.querySelector("progress").value = sent / size;
      const left = rate > 0 ? `, ${duration((size - sent) / rate)} left` : "";
      put(line.querySelector("span"), `${Math.round(sent / 1048576)} of ${Math.round(size / 1048576)} MB${left}`);
    };
    try {
      await upload(form, file, shown);
    } catch (error) {
      put(wrong, `${error.message || "The portal can't be reached."} What was sent is kept: choose the same file to go on.`);
      wrong.hidden = button.disabled = false;
    }
  });

  // --- Keyboard -------------------------------------------------------------------------------------------------
  let first = "";
  const move = (by) => {
    const rows = all("[data-row]").filter((row) => row.offsetParent !== null);
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
  };
  const act = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => document.getElementById("keyboard")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    "g p": () => document.querySelector("a.logo")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of all("details.menu[open]")) {
        if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
        menu.open = false;
      }
      if (event.target.matches?.("[data-search]")) event.target.blur();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, textarea, select")) return;
    const key = first ? `${first} ${event.key}` : event.key;
    first = !first && event.key === "g" ? "g" : "";
    const place = document.querySelector(`[data-key="${CSS.escape(key).replace(/\\ /g, " ")}"]`);
    if (!act[key] && !place) return;
    event.preventDefault();
    if (place) place.click(); else act[key]();
  });

  tick();
  showState();
  followSteps();
  toEnd();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
})();
