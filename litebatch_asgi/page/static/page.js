// Without this script every page works as well: it keeps what is looked at up to date, and shows how far uploads are.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");

  // What an element is of, such as the batch that a row shows: with that it stays the same one, wherever it stands.
  // Or else a button that somebody is about to press could become another one's.
  function subject(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return null;
    if (node.id) return `#${node.id}`;
    if (node.dataset.key) return node.dataset.key;
    if (node.matches("tr, li, article")) return node.querySelector("a[href]")?.getAttribute("href") ?? null;
    const form = node.matches("form") ? node : node.matches("details") ? node.querySelector("form") : null;
    if (!form) return null;
    const hidden = [...form.querySelectorAll("input[type=hidden]")].filter((field) => field.name !== "token");
    return [form.getAttribute("action"), ...hidden.map((field) => `${field.name}=${field.value}`)].join(" ");
  }

  function counterpart(fresh, from) {
    const of = subject(fresh);
    for (let old = from; old; old = old.nextSibling) {
      if (old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && subject(old) === of) return old;
    }
    return null;
  }

  // Make `old` look like `fresh`, and touch nothing that is the same: focus, selection, what is open or typed stay.
  function morph(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-still")) return;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const gone = new Set([...old.childNodes].map(subject));
    for (const child of fresh.childNodes) gone.delete(subject(child));
    gone.delete(null);
    for (const child of [...old.childNodes]) if (gone.has(subject(child))) child.remove();
    let at = old.firstChild;
    for (const child of fresh.childNodes) {
      const same = counterpart(child, at);
      if (!same) old.insertBefore(child.cloneNode(true), at);
      else if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      if (same) morph(same, child);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function show(html) {
    const parsed = mainOf(`<main>${html}</main>`);
    for (const attribute of main.attributes) parsed.setAttribute(attribute.name, attribute.value);
    put(parsed);
  }

  function mainOf(html) {
    return new DOMParser().parseFromString(html, "text/html").querySelector("main");
  }

  function put(parsed) {
    // Whoever is asked whether they are sure is to find the answer where it is.
    if (main.querySelector("details.confirm[open]")) return;
    const focused = document.activeElement;
    morph(main, parsed);
    if (main.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  // Only a page that is seen listens: browsers open six connections to a server at most.
  const SOON = 15000, LATE = 300000;
  let source = null, wait = SOON;
  function listen() {
    if (!main || !window.EventSource || source || document.hidden) return;
    source = new EventSource(location.href);
    source.addEventListener("page", (event) => { wait = SOON; show(JSON.parse(event.data)); });
    source.addEventListener("end", () => { close(); main.removeAttribute("data-live"); look(); });
    source.addEventListener("error", async () => {
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        await look();
        if (main.hasAttribute("data-live")) setTimeout(listen, wait);
        wait = Math.min(2 * wait, LATE);
      }
    });
  }
  // Nothing is sent of what has come to its end: it is looked at once more.
  async function look() {
    const answer = await fetch(location.href).catch(() => null);
    if (answer?.redirected) location.reload(); // to where one signs in
    const fresh = answer?.ok && !answer.redirected && mainOf(await answer.text());
    if (fresh) put(fresh);
  }
  function close() {
    if (source) source.close();
    source = null;
  }
  // A field to copy is selected as a whole where the clipboard is not to be had: without HTTPS.
  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      field.select();
      try { await navigator.clipboard.writeText(field.value); button.textContent = "Copied"; } catch { field.focus(); }
    });
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : main?.hasAttribute("data-live") && listen()));
  listen();

  // An upload: how far it is, how fast, and a way to stop it.
  document.addEventListener("submit", (event) => {
    const form = event.target, file = form.elements.file?.files[0];
    if (!form.matches("form[data-upload]") || !file) return;
    event.preventDefault();
    send(form, file);
  });

  function send(form, file) {
    const sending = form.querySelector("[data-sending]"), bar = sending.querySelector("progress");
    const button = form.querySelector("button[type=submit]"), cancel = sending.querySelector("[data-cancel]");
    const request = new XMLHttpRequest(), begun = performance.now();
    const tell = (text) => { sending.querySelector("[data-said]").textContent = text; };
    const running = (is) => { sending.hidden = !is; button.disabled = is; };
    const refuse = (nodes) => {
      running(false);
      const place = document.getElementById("refusal");
      place.replaceChildren(...nodes);
      place.scrollIntoView({ block: "nearest" });
    };
    const fail = (text) => {
      const told = document.createElement("p");
      told.setAttribute("role", "alert");
      told.textContent = text;
      refuse([told]);
    };
    if (file.size > Number(form.dataset.most)) {
      fail(`The file is too large: it has ${bytes(file.size)}, and may have ${bytes(Number(form.dataset.most))}.`);
      return;
    }
    refuse([]);
    running(true);
    bar.value = 0;
    tell("Connecting");
    request.upload.onprogress = ({ loaded, total }) => {
      const rate = loaded / Math.max((performance.now() - begun) / 1000, 0.001);
      bar.value = loaded / total;
      tell(`${bytes(loaded)} of ${bytes(total)}, ${bytes(rate)} a second`);
    };
    request.upload.onload = () => { bar.removeAttribute("value"); tell("The lines are checked, and go to the deployments"); };
    request.onload = () => {
      const place = request.getResponseHeader("location");
      if (place || request.status < 400) { location.assign(place ?? request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const said = page.querySelector("#refusal") ?? page.querySelector("main");
      if (said) refuse(said.childNodes);
      else fail(`The upload was answered with ${request.status} ${request.statusText}`);
    };
    request.onerror = () => fail("The connection was cut, or the file has changed since it was chosen. Choose it again, and repeat the upload.");
    request.onabort = () => fail("The upload was cancelled. Nothing of it was kept.");
    cancel.onclick = () => request.abort();
    request.open("POST", form.action);
    request.setRequestHeader("x-requested-with", "XMLHttpRequest");
    request.send(new FormData(form));
  }

  function bytes(count) {
    for (const unit of ["B", "kB", "MB"]) {
      if (count < 999.5) return `${count.toFixed(unit === "B" || count >= 100 ? 0 : 1)} ${unit}`;
      count /= 1000;
    }
    return `${count.toFixed(2)} GB`;
  }
})();
